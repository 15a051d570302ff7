package archtest

import (
	"slices"
	"strings"
	"testing"
)

// layer is a folder of the module, with all that lies below it and in no layer
// of its own.
type layer struct {
	// imports names the layers that its packages may import beside
	// themselves. Only direct imports need a look: what is allowed has no
	// cycle, so what is forbidden cannot be reached by a detour.
	imports []string
	// std says that nothing outside the module and the standard library may
	// be imported.
	std bool
}

const root = "."

// layers is the architecture. A package that is in none of them fails the test:
// it has to be said where it belongs.
var layers = map[string]layer{
	// The handler contract depends on nothing, so that an application can be
	// written and tested with it alone.
	root: {std: true},

	// The reactor knows descriptors (poller) and connections (loop), not what
	// is spoken on them.
	"poller": {},
	"loop":   {imports: []string{"poller", "internal"}},

	// A protocol meets the others only through loop, and handlers only
	// through the contract.
	"http1": {imports: []string{root, "loop", "internal", "internal/exchange", "internal/guard", "internal/httpfield", "internal/onloop"}},
	"http2": {imports: []string{root, "loop", "internal", "internal/exchange", "internal/guard", "internal/httpfield", "internal/onloop"}},
	"http3": {imports: []string{root, "loop", "internal", "internal/exchange", "internal/guard", "internal/httpfield"}},

	// Models for Go handlers, and what handlers of any model may use.
	"workers":           {imports: []string{root, "loop", "internal", "internal/spool", "internal/turns"}},
	"workers/nethttp":   {imports: []string{root, "workers", "internal"}},
	"workers/websocket": {imports: []string{root, "workers", "internal", "internal/httpfield"}},
	// The pool of Python workers is a floor of rooms: it imports them, never the other
	// way round.
	"workers/python": {imports: []string{
		root, "loop", "workers/websocket", "internal", "internal/httpfield", "internal/spool",
		"workers/python/internal/wire", "workers/python/internal/control", "workers/python/internal/dispatch",
		"workers/python/internal/output", "workers/python/internal/process", "workers/python/internal/report", "workers/python/internal/takeover",
	}},
	"workers/python/internal/marshal":  {},
	"workers/python/internal/wire":     {imports: []string{root, "internal", "workers/python/internal/marshal"}},
	"workers/python/internal/control":  {imports: []string{"internal", "workers/python/internal/marshal", "workers/python/internal/wire"}},
	"workers/python/internal/dispatch": {imports: []string{root, "internal", "internal/turns"}},
	"workers/python/internal/output":   {imports: []string{"internal", "workers/python/internal/wire"}},
	"workers/python/internal/process":  {imports: []string{"internal", "workers/python/internal/wire"}},
	"workers/python/internal/report":   {imports: []string{"workers/python/internal/wire"}},
	"workers/python/internal/takeover": {imports: []string{root, "loop", "internal", "internal/httpfield", "workers/python/internal/wire"}},
	"workers/python/internal/wiretest": {imports: []string{"workers/python/internal/marshal", "workers/python/internal/wire"}},

	"status": {imports: []string{root, "loop", "internal", "internal/accesslog", "internal/edge", "internal/perhome", "internal/stats"}},

	// Leaves, which anybody may import.
	"internal": {},
	// What protocols have in common: calls into handlers, the rules of fields, and
	// the exchange.
	"internal/guard":     {imports: []string{root}},
	"internal/httpfield": {imports: []string{root, "internal"}},
	"internal/exchange":  {imports: []string{root, "internal", "internal/guard", "internal/httpfield"}},
	// And what they have in common on the reactor's connections.
	"internal/onloop": {imports: []string{root, "loop", "internal", "internal/httpfield"}},
	// What stands between a handler and its exchange.
	"internal/spool": {imports: []string{root, "internal"}},
	// Observers of exchanges, and what they keep apart by home.
	"internal/perhome":   {imports: []string{root}},
	"internal/turns":     {imports: []string{root}},
	"internal/accesslog": {imports: []string{root, "internal", "internal/perhome", "internal/stats"}},
	"internal/stats":     {imports: []string{root, "internal", "internal/perhome"}},
	"internal/statsd":    {imports: []string{root, "internal", "internal/perhome"}},
	"internal/trace":     {imports: []string{root, "internal", "internal/stats"}},
	// Settings, checked by those who read them.
	"internal/config": {imports: []string{"server", "workers", "workers/python", "internal", "internal/accesslog", "internal/httpfield", "internal/edge", "workers/websocket"}},
	// The application of a server that was given none.
	"internal/demo": {imports: []string{root, "workers", "workers/websocket", "internal"}},
	// Handlers in front of handlers.
	"internal/edge": {imports: []string{root, "internal", "internal/httpfield"}},
	// The one of them that needs goroutines.
	"internal/edge/proxy": {imports: []string{root, "workers", "workers/nethttp", "internal"}},
	// A foreign protocol towards applications. Its requests are answered in
	// HTTP/1, so it is a way into http1 (http1.Gateway).
	"internal/uwsgi": {imports: []string{root, "loop", "http1", "internal", "internal/httpfield"}},
	// What only tests use: see TestTestPackagesAreForTests.
	"internal/enginetest":   {imports: []string{"loop"}},
	"internal/exchangetest": {imports: []string{root, "internal"}},
	"internal/suite":        {imports: []string{root, "loop", "http1", "http2", "http3", "workers", "workers/nethttp", "workers/python", "workers/websocket", "status", "internal"}},

	// The one place where all is put together.
	"server": {imports: []string{
		root, "loop", "http1", "http2", "http3", "workers", "workers/python", "status", "workers/websocket",
		"internal", "internal/accesslog", "internal/edge", "internal/edge/proxy", "internal/statsd", "internal/trace", "internal/uwsgi",
	}},
	// Settings for it.
	"cmd": {imports: []string{root, "server", "loop", "workers", "workers/python", "status", "internal", "internal/config", "internal/demo", "workers/websocket"}},
	// An embedder has the public packages only.
	"examples": {imports: []string{root, "poller", "loop", "http1", "http2", "http3", "workers", "workers/python", "status", "server", "workers/nethttp"}},
	"bench": {imports: []string{
		root, "poller", "loop", "http1", "http2", "http3", "workers", "workers/nethttp", "workers/python", "workers/websocket", "status",
		"internal", "internal/accesslog", "internal/config", "internal/demo", "internal/edge", "internal/uwsgi",
	}},
}

// layerOf returns the layer with the longest name that holds the package in
// folder dir.
func layerOf(dir string) (name string, ok bool) {
	for d := dir; ; {
		if _, ok := layers[d]; ok && (d != root || dir == root) {
			return d, true
		}
		i := strings.LastIndexByte(d, '/')
		if i < 0 {
			return "", false
		}
		d = d[:i]
	}
}

func TestImports(t *testing.T) {
	m := load(t)
	for _, f := range m.files {
		if f.test {
			continue // a test may use whatever helps it
		}
		from, ok := layerOf(f.dir)
		if !ok {
			t.Errorf("%s: package is in no layer; add it to the table", f.path)
			continue
		}
		for _, path := range f.imports {
			dir, internal := m.dirOf(path)
			if !internal {
				if layers[from].std && !isStd(path) {
					t.Errorf("%s imports %s: %s uses the standard library only", f.path, path, from)
				}
				continue
			}
			to, ok := layerOf(dir)
			if !ok {
				t.Errorf("%s imports %s, which is in no layer", f.path, path)
			} else if to != from && !slices.Contains(layers[from].imports, to) {
				t.Errorf("%s imports %s: %q may not import %q", f.path, path, from, to)
			}
		}
	}
}

// The argument in layer.imports needs this: no layer is above and below another.
func TestLayersHaveNoCycle(t *testing.T) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		switch state[name] {
		case visiting:
			t.Errorf("layer %q is above and below another", name)
			return
		case done:
			return
		}
		state[name] = visiting
		for _, next := range layers[name].imports {
			if _, ok := layers[next]; !ok {
				t.Errorf("layer %q names %q, which does not exist", name, next)
			}
			visit(next)
		}
		state[name] = done
	}
	for name := range layers {
		visit(name)
	}
}

func TestLayerOf(t *testing.T) {
	for dir, want := range map[string]string{
		".": ".", "loop": "loop", "workers/await": "workers", "workers/websocket": "workers/websocket", "workers/python": "workers/python", "workers/python/shim": "workers/python", "workers/python/internal/wire": "workers/python/internal/wire",
		"internal/sched": "internal", "internal/edge/gzip": "internal/edge", "internal/edged": "internal",
		"loops": "", "unheard/of": "",
	} {
		if got, ok := layerOf(dir); got != want || ok != (want != "") {
			t.Errorf("layer of %q is %q, %t; want %q", dir, got, ok, want)
		}
	}
}

func TestTestPackagesAreForTests(t *testing.T) {
	m := load(t)
	only := []string{"internal/archtest", "internal/enginetest", "internal/exchangetest", "internal/leakcheck", "internal/logtest", "internal/suite", "internal/wstest", "workers/python/internal/wiretest"}
	for _, f := range m.files {
		if f.test || slices.ContainsFunc(only, func(dir string) bool { return within(f.dir, dir) }) {
			continue
		}
		for _, path := range f.imports {
			for _, dir := range only {
				if imported, ok := m.dirOf(path); ok && within(imported, dir) {
					t.Errorf("%s imports %s, which is for tests", f.path, path)
				}
			}
		}
	}
}
