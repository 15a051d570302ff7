package peers

import "strings"

const openKey = "use a key without a password, in a file that only the server's user can read"

// uvicorn 0.54.
var uvicorn = Server{
	Name: "uvicorn",
	Note: "requests have 30 seconds here until their response begins: add --timeout 0 for no limit",
	Options: []Option{
		{Names: "host port", Instead: "use --bind HOST:PORT", joined: true},
		{Names: "uds", Here: "--bind unix:{}", Instead: "use --bind unix:PATH"},
		{Names: "fd", Here: "--bind fd://{}", Instead: "use --bind fd://N"},
		{Names: "reload", Switch: true, Here: "--reload"},
		{Names: "reload-dir", Here: "--reload-dir {}"},
		{Names: "reload-include", Here: "--reload-include {}"},
		{Names: "reload-exclude", Here: "--reload-exclude {}"},
		{Names: "reload-delay", Instead: "leave it out: what changes within a moment is one change"},
		{Names: "workers", Here: "--workers {}"},
		{Names: "loop", Here: "--asgi-loop {}", Instead: "use --asgi-loop NAME", as: oneOf("", map[string]string{"auto": "auto", "asyncio": "asyncio", "uvloop": "uvloop"})},
		{Names: "http", Instead: "leave it out: there is one parser; --http-protocols LIST says which versions are spoken"},
		{Names: "http2", Switch: true, Instead: "leave it out: HTTP/2 is on; --http-protocols LIST says which versions are spoken"},
		{Names: "ws", Instead: "leave it out: the server speaks WebSocket itself"},
		{Names: "ws-max-size", Here: "--ws-max-size {}"},
		{Names: "ws-max-queue", Instead: "leave it out: a client waits while the application does not receive"},
		{Names: "ws-ping-interval", Here: "--ws-ping-interval {}"},
		{Names: "ws-ping-timeout", Here: "--ws-ping-timeout {}"},
		{Names: "ws-per-message-deflate", Here: "--websocket-compression {}", Instead: "use --websocket-compression MODE", as: func(v string) (string, string) {
			switch strings.ToLower(v) {
			case "false", "0", "no", "off", "f", "n":
				return "off", ""
			}
			return "on", ""
		}},
		{Names: "lifespan", Here: "--lifespan {}"},
		{Names: "interface", Here: "--interface {}", as: oneOf("", map[string]string{"auto": "auto", "asgi3": "asgi", "asgi2": "asgi", "wsgi": "wsgi"})},
		{Names: "env-file", Here: "--env-file {}"},
		{Names: "log-config", Instead: "use --log-level, --logger-level and --log-format; the application's own logging stays as it is"},
		{Names: "log-level", Here: "--log-level {}", as: oneOf("", map[string]string{"critical": "critical", "error": "error", "warning": "warning", "info": "info", "debug": "debug", "trace": "debug"})},
		{Names: "access-log", Switch: true, Here: "--access-logfile -", Instead: "use --access-logfile -"},
		{Names: "no-access-log", Switch: true, Here: "--access-logfile none", Instead: "use --access-logfile none"},
		{Names: "use-colors no-use-colors", Switch: true, Instead: "set the environment variable FORCE_COLOR or NO_COLOR"},
		{Names: "proxy-headers", Switch: true, Instead: "use --forwarded-allow-ips, by default this machine's addresses"},
		{Names: "no-proxy-headers", Switch: true, Here: "--forwarded-allow-ips=", Instead: "use --forwarded-allow-ips with an address that nobody has"},
		{Names: "server-header no-server-header", Switch: true, Instead: "leave it out: Server says asteri-loop, or what the application sets"},
		{Names: "date-header no-date-header", Switch: true, Instead: "leave it out: responses say Date, as RFC 9110 asks"},
		{Names: "forwarded-allow-ips", Here: "--forwarded-allow-ips {}"},
		{Names: "root-path", Here: "--root-path {}"},
		{Names: "limit-concurrency", Here: "--worker-connections {}", Instead: "use --worker-connections INT and --queue-size INT"},
		{Names: "backlog", Here: "--backlog {}"},
		{Names: "limit-max-requests", Here: "--max-requests {}", Instead: "use --max-requests INT"},
		{Names: "limit-max-requests-jitter", Here: "--max-requests-jitter {}", Instead: "use --max-requests-jitter INT"},
		{Names: "timeout-keep-alive", Here: "--keep-alive {}", Instead: "use --keep-alive TIME"},
		{Names: "timeout-graceful-shutdown", Here: "--graceful-timeout {}", Instead: "use --graceful-timeout TIME"},
		{Names: "timeout-worker-healthcheck", Instead: "leave it out: each request has its --timeout"},
		{Names: "ssl-keyfile", Here: "--keyfile {}", Instead: "use --keyfile FILE"},
		{Names: "ssl-certfile", Here: "--certfile {}", Instead: "use --certfile FILE"},
		{Names: "ssl-keyfile-password", Instead: openKey},
		{Names: "ssl-version", as: func(v string) (string, string) {
			if v == "5" {
				return "--ssl-version TLSv1_2", ""
			}
			return "", "leave it out: TLS 1.2 is the lowest version"
		}},
		{Names: "ssl-cert-reqs", Here: "--cert-reqs {}", Instead: "use --cert-reqs 0|1|2"},
		{Names: "ssl-ca-certs", Here: "--ca-certs {}", Instead: "use --ca-certs FILE"},
		{Names: "ssl-ciphers", Here: "--ciphers {}", Instead: "use --ciphers LIST"},
		{Names: "header", Instead: "have the application set the field"},
		{Names: "version", Switch: true, Here: "--version"},
		{Names: "app-dir", Here: "--chdir {}", Instead: "use --chdir DIR"},
		{Names: "h11-max-incomplete-event-size", Here: "--limit-request-head {}", Instead: "use --limit-request-head SIZE"},
		{Names: "reset-contextvars", Switch: true, Instead: "leave it out: each request has a context of its own"},
		{Names: "factory", Switch: true, Instead: "use APP with (): module:create_app()", joined: true},
		{Names: "help", Switch: true, Here: "--help"},
	},
}
