package config

import (
	"slices"
	"strings"
)

// elsewhere are uvicorn's names of options, with what does the same here. Names that are
// near to ours are left out: they are found by that.
var elsewhere = map[string]string{
	"host":                          "--bind HOST:PORT",
	"port":                          "--bind HOST:PORT",
	"uds":                           "--bind unix:PATH",
	"fd":                            "--bind fd://N",
	"app-dir":                       "--chdir DIR",
	"factory":                       "APP with (): module:create_app()",
	"access-log":                    "--access-logfile -",
	"no-access-log":                 "--access-logfile none",
	"proxy-headers":                 "--forwarded-allow-ips, by default this machine's addresses",
	"no-proxy-headers":              "--forwarded-allow-ips with an address that nobody has",
	"timeout-keep-alive":            "--keep-alive TIME",
	"timeout-graceful-shutdown":     "--graceful-timeout TIME",
	"limit-concurrency":             "--worker-connections INT and --queue-size INT",
	"h11-max-incomplete-event-size": "--limit-request-head SIZE",
	"loop":                          "--asgi-loop NAME",
	"ws-per-message-deflate":        "--websocket-compression MODE",
	"ssl-keyfile":                   "--keyfile FILE",
	"ssl-certfile":                  "--certfile FILE",
	"ssl-ca-certs":                  "--ca-certs FILE",
	"ssl-cert-reqs":                 "--cert-reqs 0|1|2",
	"ssl-ciphers":                   "--ciphers LIST",
}

// gunicorns are gunicorn's options that have no other name here, with what to do
// instead: its names for them on the command line and in its configuration file.
var gunicorns = []struct{ names, instead string }{
	{"preload preload-app", "leave it out: each worker imports the application itself"},
	{"reload reload-engine reload-extra-file reload-extra-files", "send the server HUP when the code has changed"},
	{"daemon D", "let a service manager such as systemd run the server, or end the command with &"},
	{"pid pidfile p", "a service manager knows the process; a shell has its id in $!"},
	{"user u", "start the server as that user, as systemd does with User="},
	{"group g", "start the server in that group, as systemd does with Group="},
	{"initgroups", "start the server as a user with these groups, as systemd does with User="},
	{"enable-stdio-inheritance R", "use --capture-output off"},
	{"worker-tmp-dir", "leave it out: no worker is watched by a file"},
	{"tmp-upload-dir", "set the environment variable TMPDIR"},
	{"name proc-name n", "leave it out: processes have the names of their programs"},
	{"log-config logconfig logconfig-dict log-config-json logconfig-json logger-class", "use --log-level, --logger-level and --log-format"},
	{"reuse-port", "leave it out: the loops of one server share a port, two servers do not"},
	{"control-socket control-socket-mode", "use --admin-listen unix:PATH"},
	{"no-control-socket control-socket-disable", "leave it out: there is none without --admin-listen"},
	{"http-parser", "leave it out: there is one parser"},
	{"http2-max-header-list-size", "use --limit-request-head SIZE"},
	{"paste paster paste-global", "name the application itself: module:attribute"},
}

// gunicornHint says what to do in place of gunicorn's option or setting of that name,
// or returns nothing.
func gunicornHint(name string) string {
	name = strings.ReplaceAll(name, "_", "-")
	for _, g := range gunicorns {
		if slices.Contains(strings.Fields(g.names), name) {
			return "; " + g.instead
		}
	}
	return ""
}

// didYouMean returns `; did you mean "x"?` for the candidate nearest to word,
// or nothing if none is near. prefix is put before the candidate.
func didYouMean(word string, candidates []string, prefix string) string {
	best, bestDistance := "", len(word)/3+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + prefix + best + `"?`
}

// distance is the number of insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
