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

	// What anybody may use: clocks, memory, descriptors and work off the loops; and what
	// bounds clients.
	"internal/system": {},
	"internal/bounds": {},

	// The reactor knows descriptors (poller) and connections (loop), not what
	// is spoken on them.
	"poller": {},
	"loop":   {imports: []string{"poller", "internal/system", "internal/bounds"}},

	// What protocols share: the exchange, calls into handlers, the rules of fields and paths,
	// the format of WebSocket; and what those on the reactor's connections share.
	"internal/protocol":        {imports: []string{root, "internal/system", "internal/bounds"}},
	"internal/protocol/onloop": {imports: []string{root, "loop", "internal/system", "internal/protocol"}},

	// A protocol meets the others only through loop, and handlers only
	// through the contract.
	"http1": {imports: []string{root, "loop", "internal/system", "internal/bounds", "internal/protocol", "internal/protocol/onloop"}},
	"http2": {imports: []string{root, "loop", "internal/system", "internal/bounds", "internal/protocol", "internal/protocol/onloop"}},
	"http3": {imports: []string{root, "loop", "internal/system", "internal/bounds", "internal/protocol"}},
	// A foreign protocol towards applications. Its requests are answered in
	// HTTP/1, so it is a way into http1 (http1.Gateway).
	"internal/protocol/uwsgi": {imports: []string{root, "loop", "http1", "internal/bounds", "internal/protocol", "internal/protocol/onloop"}},

	// Models for Go handlers, what they share with the pool of Python workers, and what
	// handlers of any model may use.
	"workers/internal": {imports: []string{root, "internal/system"}},
	"workers":          {imports: []string{root, "loop", "workers/internal", "internal/system", "internal/protocol"}},
	"workers/nethttp":  {imports: []string{root, "workers", "internal/system"}},
	"websocket":        {imports: []string{root, "workers", "internal/system", "internal/bounds", "internal/protocol"}},
	// The pool of Python workers is a floor of rooms: it imports them, never the other
	// way round.
	"workers/python": {imports: []string{
		root, "loop", "websocket", "workers/internal", "internal/system", "internal/protocol",
		"workers/python/internal/wire", "workers/python/internal/control", "workers/python/internal/dispatch",
		"workers/python/internal/output", "workers/python/internal/process", "workers/python/internal/report", "workers/python/internal/scale", "workers/python/internal/takeover",
	}},
	"workers/python/internal/marshal":  {},
	"workers/python/internal/wire":     {imports: []string{root, "internal/system", "workers/python/internal/marshal"}},
	"workers/python/internal/control":  {imports: []string{"internal/system", "workers/python/internal/marshal", "workers/python/internal/wire"}},
	"workers/python/internal/dispatch": {imports: []string{root, "internal/system", "workers/internal"}},
	"workers/python/internal/output":   {imports: []string{"internal/observe", "workers/python/internal/wire"}},
	"workers/python/internal/process":  {imports: []string{"internal/system", "workers/python/internal/wire"}},
	"workers/python/internal/report":   {imports: []string{"workers/python/internal/wire"}},
	"workers/python/internal/takeover": {imports: []string{root, "loop", "internal/system", "internal/protocol", "workers/python/internal/wire"}},
	"workers/python/internal/scale":    {},
	"workers/python/internal/wiretest": {imports: []string{"workers/python/internal/marshal", "workers/python/internal/wire"}},

	// Handlers in front of handlers.
	"internal/edge": {imports: []string{root, "internal/system", "internal/bounds", "internal/protocol"}},
	// The one of them that needs goroutines.
	"internal/edge/proxy": {imports: []string{root, "workers", "workers/nethttp", "internal/system", "internal/protocol", "internal/edge"}},
	// Logs, counts and traces: observers of exchanges, and where it all goes.
	"internal/observe": {imports: []string{root, "internal/system"}},
	"status":           {imports: []string{root, "loop", "internal/system", "internal/bounds", "internal/observe", "internal/edge"}},

	// The control socket, for which the functions behind the status page do the work.
	"internal/ctl": {imports: []string{"status", "internal/system", "internal/settings"}},

	// The one place where all is put together.
	"server": {imports: []string{
		root, "loop", "http1", "http2", "http3", "websocket", "workers", "workers/python", "status", "internal/ctl",
		"internal/system", "internal/bounds", "internal/protocol/uwsgi", "internal/edge", "internal/edge/proxy", "internal/observe", "internal/settings",
	}},
	// The configuration of TLS.
	"internal/settings": {imports: []string{"internal/bounds"}},
	// Settings, checked by those who read them.
	"internal/settings/config": {imports: []string{"internal/settings", "server", "websocket", "workers", "workers/python", "internal/system", "internal/bounds", "internal/protocol", "internal/observe", "internal/edge"}},
	// The application of a server that was given none.
	"internal/demo": {imports: []string{root, "workers", "websocket", "internal/system"}},
	// Settings for the server.
	"cmd": {imports: []string{
		root, "server", "loop", "websocket", "workers", "workers/python", "status", "internal/ctl",
		"internal/system", "internal/observe", "internal/settings", "internal/settings/config", "internal/demo",
	}},
	// An embedder has the public packages only.
	"examples": {imports: []string{root, "poller", "loop", "http1", "http2", "http3", "websocket", "workers", "workers/nethttp", "workers/python", "status", "server"}},

	// What only tests use: see TestTestPackagesAreForTests.
	"internal/tests": {imports: []string{
		root, "loop", "http1", "http2", "http3", "websocket", "workers", "workers/nethttp", "workers/python", "status",
		"internal/system", "internal/bounds", "internal/protocol", "internal/observe",
	}},
	"bench": {imports: []string{
		root, "poller", "loop", "http1", "http2", "http3", "websocket", "workers", "workers/nethttp", "workers/python", "status",
		"internal/system", "internal/protocol", "internal/observe", "internal/settings/config", "internal/demo", "internal/edge",
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
		".": ".", "loop": "loop", "workers/await": "workers", "websocket": "websocket", "workers/python": "workers/python", "workers/python/shim": "workers/python", "workers/python/internal/wire": "workers/python/internal/wire",
		"internal/system/jobs": "internal/system", "internal/edge/gzip": "internal/edge", "internal/edged": "",
		"loops": "", "unheard/of": "",
	} {
		if got, ok := layerOf(dir); got != want || ok != (want != "") {
			t.Errorf("layer of %q is %q, %t; want %q", dir, got, ok, want)
		}
	}
}

func TestTestPackagesAreForTests(t *testing.T) {
	m := load(t)
	only := []string{"internal/tests", "workers/python/internal/wiretest"}
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
