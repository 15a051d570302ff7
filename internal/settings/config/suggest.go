package config

import (
	"slices"
	"strings"

	"github.com/asteri/asteri-loop/internal/settings/suggest"
)

// counsel is what to do in place of options of another server, by their names.
type counsel struct{ names, instead string }

// gunicorns are gunicorn's options that have no other name here, with what to do
// instead: its names for them on the command line and in its configuration file.
var gunicorns = []counsel{
	{"preload preload-app", "leave it out: each worker imports the application itself"},
	{"reload-engine", "leave it out: the system tells of changes"},
	{"enable-stdio-inheritance R", "use --capture-output off"},
	{"worker-tmp-dir", "leave it out: no worker is watched by a file, and one that gives no sign of life is found without; --tmp-upload-dir is where bodies wait"},
	{"log-config logconfig logconfig-dict log-config-json logconfig-json logger-class", "use --log-level, --logger-level and --log-format"},
	{"reuse-port", "leave it out: the loops of one server share a port, two servers do not"},
	{"control-socket-mode", "leave it out: it is 0600"},
	{"no-control-socket control-socket-disable", "leave it out: there is none without --control-socket"},
	{"http-parser", "leave it out: there is one parser"},
	{"http2-max-header-list-size", "use --limit-request-head SIZE"},
	{"paste paster paste-global", "name the application itself: module:attribute"},
	{"dirty-app dirty-workers dirty-timeout dirty-threads dirty-graceful-timeout", "heavy tasks have no pool of their own: --mount gives an application at a path workers of its own"},
	{"spew", "the status page shows where a worker is; a debugger has its own way in"},
	{"sendfile no-sendfile", "leave it out: files go out as is best for the connection"},
	{"permit-obsolete-folding strip-header-spaces permit-unconventional-http-method permit-unconventional-http-version casefold-http-method", "leave it out: such requests are refused, since servers read them in different ways"},
	{"suppress-ragged-eofs do-handshake-on-connect", "leave it out: the server does handshakes without waiting for them"},
	{"asgi-disconnect-grace-period", "leave it out: a call may go on after its client has left, for --timeout"},
	{"enable-backlog-metric", "leave it out: /metrics and StatsD tell how many requests wait"},
}

// hint says what to do in place of another server's option or setting of that name, or
// returns nothing.
func hint(name string) string {
	name = strings.ReplaceAll(name, "_", "-")
	for _, c := range slices.Concat(gunicorns, uvicorns, granians) {
		if slices.Contains(strings.Fields(c.names), name) {
			return "; " + c.instead
		}
	}
	return ""
}

// didYouMean returns `; did you mean "x"?` for the candidate nearest to word,
// or nothing if none is near. prefix is put before the candidate.
func didYouMean(word string, candidates []string, prefix string) string {
	best := suggest.Nearest(word, candidates)
	if best == "" {
		return ""
	}
	return `; did you mean "` + prefix + best + `"?`
}
