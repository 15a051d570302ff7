package peers

import (
	"fmt"
	"strconv"
	"strings"
)

const byItself = "leave it out: the server does so by itself"

// granian 2.8.
var granian = Server{
	Name: "granian",
	Note: "requests have 30 seconds here until their response begins: add --timeout 0 for no limit",
	Options: []Option{
		{Names: "host port", Instead: "use --bind HOST:PORT", joined: true},
		{Names: "uds", Here: "--bind unix:{}", Instead: "use --bind unix:PATH"},
		{Names: "uds-permissions", Here: "--umask {}", Instead: "use --umask OCTAL, which names the permissions that it does not get", as: mask},
		{Names: "interface", Here: "--interface {}", as: oneOf("use the framework's ASGI application", map[string]string{"asgi": "asgi", "wsgi": "wsgi"})},
		{Names: "http", Here: "--http-protocols {}", as: oneOf("leave it out: both versions are spoken", map[string]string{"1": "h1", "2": "h2"})},
		{Names: "ws no-ws", Switch: true, Instead: "leave it out: the server speaks WebSocket itself"},
		{Names: "workers", Here: "--workers {}"},
		{Names: "blocking-threads", Here: "--threads {}", Instead: "use --threads INT"},
		{Names: "blocking-threads-idle-timeout", Instead: "leave it out: threads stay"},
		{Names: "runtime-threads", Here: "--loops {}", Instead: "use --loops INT"},
		{Names: "runtime-blocking-threads runtime-mode task-impl", Instead: "leave it out: the event loops have nothing to choose"},
		{Names: "loop", Here: "--asgi-loop {}", as: oneOf("", map[string]string{"auto": "auto", "asyncio": "asyncio", "uvloop": "uvloop"})},
		{Names: "backlog", Here: "--backlog {}"},
		{Names: "backpressure", Here: "--worker-connections {}", Instead: "use --worker-connections INT"},
		{Names: "http1-buffer-size http2-max-headers-size", Here: "--limit-request-head {}", Instead: "use --limit-request-head SIZE"},
		{Names: "http1-header-read-timeout", Here: "--header-timeout {}ms", Instead: "use --header-timeout TIME, in seconds unless it has a unit"},
		{Names: "http1-keep-alive", Switch: true, Instead: "use --keep-alive TIME"},
		{Names: "no-http1-keep-alive", Switch: true, Here: "--keep-alive 0", Instead: "use --keep-alive 0"},
		{Names: "http1-pipeline-flush no-http1-pipeline-flush http2-adaptive-window no-http2-adaptive-window", Switch: true, Instead: byItself},
		{Names: "http2-initial-connection-window-size", Here: "--http2-connection-window-size {}", Instead: "use --http2-connection-window-size SIZE"},
		{Names: "http2-initial-stream-window-size", Here: "--http2-initial-window-size {}", Instead: "use --http2-initial-window-size SIZE"},
		{Names: "http2-keep-alive-interval http2-keep-alive-timeout", Instead: "use --keep-alive TIME: an idle connection is closed, not asked"},
		{Names: "http2-max-concurrent-streams", Here: "--http2-max-concurrent-streams {}"},
		{Names: "http2-max-frame-size", Here: "--http2-max-frame-size {}"},
		{Names: "http2-max-send-buffer-size", Instead: "use --buffer-budget SIZE, for all connections together"},
		{Names: "log", Switch: true, Instead: "use --log-level LEVEL and --error-logfile FILE"},
		{Names: "no-log", Switch: true, Here: "--log-level critical", Instead: "use --log-level LEVEL and --error-logfile FILE"},
		{Names: "log-level", Here: "--log-level {}", as: oneOf("", map[string]string{"critical": "critical", "error": "error", "warning": "warning", "warn": "warning", "info": "info", "debug": "debug", "notset": "debug"})},
		{Names: "log-config", Instead: "use --log-level, --logger-level and --log-format; the application's own logging stays as it is"},
		{Names: "access-log", Switch: true, Here: "--access-logfile -"},
		{Names: "no-access-log", Switch: true, Here: "--access-logfile none"},
		{Names: "access-log-fmt", Instead: "use --access-logformat FORMAT, in gunicorn's notation"},
		{Names: "ssl-certificate", Here: "--certfile {}", Instead: "use --certfile FILE"},
		{Names: "ssl-keyfile", Here: "--keyfile {}"},
		{Names: "ssl-keyfile-password", Instead: openKey},
		{Names: "ssl-protocol-min", Here: "--ssl-version {}", Instead: "use --ssl-version VERSION", as: oneOf("", map[string]string{"tls1.2": "TLSv1_2", "tls1.3": "TLSv1_3"})},
		{Names: "ssl-ca", Here: "--ca-certs {}", Instead: "use --ca-certs FILE"},
		{Names: "ssl-crl", Instead: "revocation lists are not read: use client certificates that live for a short time"},
		{Names: "ssl-client-verify", Switch: true, Here: "--verify-client required", Instead: "use --verify-client required"},
		{Names: "no-ssl-client-verify", Switch: true, Here: "--verify-client none", Instead: "use --verify-client none"},
		{Names: "url-path-prefix", Here: "--root-path {}", Instead: "use --root-path PATH"},
		{Names: "respawn-failed-workers no-respawn-failed-workers", Switch: true, Instead: respawned},
		{Names: "respawn-interval", Instead: respawned},
		{Names: "workers-max-rss", Here: "--max-worker-rss {}MiB", Instead: "use --max-worker-rss SIZE"},
		{Names: "rss-sample-interval rss-samples", Instead: "leave it out: memory is looked at every five seconds"},
		{Names: "workers-lifetime", Here: "--max-worker-lifetime {}", Instead: "use --max-worker-lifetime TIME"},
		{Names: "workers-kill-timeout", Here: "--graceful-timeout {}", Instead: "use --graceful-timeout TIME"},
		{Names: "factory", Switch: true, joined: true},
		{Names: "no-factory", Switch: true, Instead: "leave it out: APP with () is a factory"},
		{Names: "working-dir", Here: "--chdir {}", Instead: "use --chdir DIR"},
		{Names: "env-files", Here: "--env-file {}", Instead: "use --env-file FILE"},
		{Names: "static-path-route static-path-mount", Instead: "use --static PREFIX=DIR", joined: true},
		{Names: "static-path-dir-to-file", Instead: "leave it out: a folder stands for its index.html"},
		{Names: "static-path-expires", Here: "--static-max-age {}", Instead: "use --static-max-age TIME"},
		{Names: "metrics", Switch: true, Instead: "leave it out: /metrics is on"},
		{Names: "no-metrics", Switch: true, Here: "--disable-metrics", Instead: "use --disable-metrics"},
		{Names: "metrics-address metrics-port", Instead: "use --admin-listen ADDRESS, which has /metrics too"},
		{Names: "metrics-scrape-interval", Instead: "leave it out: what is counted is told as of the moment"},
		{Names: "reload", Switch: true, Here: "--reload"},
		{Names: "no-reload", Switch: true, Instead: "leave it out: no file is watched without --reload"},
		{Names: "reload-paths", Here: "--reload-dir {}", Instead: "use --reload-dir DIR"},
		{Names: "reload-ignore-dirs reload-ignore-paths", Here: "--reload-exclude {}", Instead: "use --reload-exclude GLOB"},
		{Names: "reload-ignore-patterns", Instead: "use --reload-exclude GLOB"},
		{Names: "reload-tick", Instead: "leave it out: the system tells of changes"},
		{Names: "reload-ignore-worker-failure no-reload-ignore-worker-failure", Switch: true, Instead: "leave it out: if the new code cannot start, the old code serves on"},
		{Names: "process-name", Here: "--name {}", Instead: "use --name NAME"},
		{Names: "pid-file", Here: "--pid {}", Instead: "use --pid FILE"},
		{Names: "version", Switch: true, Here: "--version"},
		{Names: "help", Switch: true, Here: "--help"},
	},
}

const respawned = "leave it out: a worker that ends is always replaced, and serves until its successor is ready where it can"

// mask turns permissions into those that are taken away.
func mask(v string) (string, string) {
	n, err := strconv.ParseUint(strings.TrimPrefix(v, "0o"), 8, 16)
	if err != nil || n > 0o777 {
		return "", "must be an octal number from 0 to 777"
	}
	return fmt.Sprintf("%03o", 0o777&^n), ""
}

// static joins routes and the directories that are mounted there, in their order.
func static(given map[string][]string) (words []string) {
	routes := given["static-path-route"]
	for i, dir := range given["static-path-mount"] {
		route := "/static"
		if i < len(routes) {
			route = routes[i]
		}
		words = append(words, "--static", route+"="+dir)
	}
	return words
}
