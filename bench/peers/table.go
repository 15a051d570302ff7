package peers

// Every server that runs processes runs two of them, and every server is left
// free on both cores. Keep-alive times are long, so that idle connections can
// be counted; access logs are off. The rest is each server's default.

const venv = "{venv}/bin/"

func asteriLoop(args ...string) []string {
	return append([]string{
		"{bin}/asteri-loop", "-b", "127.0.0.1:{port}", "--keep-alive", "600",
		"--python", venv + "python",
	}, args...)
}

var asteriTLS = []string{"--certfile", "{cert}", "--keyfile", "{key}"}

func gunicorn(args ...string) []string {
	return append([]string{
		venv + "gunicorn", "-b", "127.0.0.1:{port}", "-w", "2",
		"--keep-alive", "600", "--log-level", "warning",
	}, args...)
}

func granian(args ...string) []string {
	return append([]string{
		venv + "granian", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2",
		"--no-ws", "--log-level", "warning",
	}, args...)
}

var granianTLS = []string{"--ssl-certificate", "{cert}", "--ssl-keyfile", "{key}"}

func uvicorn(app string) []string {
	return []string{
		venv + "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2",
		"--loop", "uvloop", "--http", "httptools", "--no-access-log",
		"--timeout-keep-alive", "600", "--log-level", "warning", app,
	}
}

// asteriPy is Asteri, the Python server whose worker models this one takes up.
func asteriPy(model, app string) []string {
	return []string{
		venv + "asteri", "-b", "127.0.0.1:{port}", "-w", "2", "-k", model,
		"--keep-alive", "600", "--log-level", "warning", app,
	}
}

var nginxArgs = []string{"nginx", "-p", "{tmp}", "-c", "{tmp}/nginx.conf", "-e", "stderr"}

// StatusToken opens the status of our servers.
const StatusToken = "bench-0123456789abcdef"

// observed has requests traced as a busy service does: one of a hundred.
func observed(args ...string) []string {
	return append([]string{"env", "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.01"},
		append(args, "--otlp-endpoint", "{otlp}")...)
}

// All are the servers, ours first.
var All = []Peer{
	{ID: "asteri-go", Name: "asteri-loop, Go handler", Args: asteriLoop("-w", "tornado"), Path: "/plaintext", TLSArgs: asteriTLS},
	{ID: "asteri-sync", Name: "asteri-loop sync", Args: asteriLoop("-w", "sync:2", "hello:wsgi"), TLSArgs: asteriTLS},
	{ID: "asteri-gthread", Name: "asteri-loop gthread", Args: asteriLoop("-w", "gthread:2", "--threads", "4", "hello:wsgi"), TLSArgs: asteriTLS},
	{ID: "asteri-gevent", Name: "asteri-loop gevent", Args: asteriLoop("-w", "gevent:2", "hello:wsgi")},
	{ID: "asteri-gtornado", Name: "asteri-loop gtornado", Args: asteriLoop("-w", "gtornado:2", "hello:wsgi")},
	{ID: "asteri-asgi", Name: "asteri-loop asgi", Args: asteriLoop("-w", "asgi:2", "hello:asgi"), TLSArgs: asteriTLS},
	{ID: "asteri-flask", Name: "asteri-loop gthread", Args: asteriLoop("-w", "gthread:2", "--threads", "4", "flask_hello:app")},
	{ID: "asteri-fastapi", Name: "asteri-loop asgi", Args: asteriLoop("-w", "asgi:2", "fastapi_hello:app")},
	{ID: "asteri-tornado-app", Name: "asteri-loop tornado", Args: asteriLoop("-w", "tornado:2", "tornado_hello:app")},

	{ID: "asteri-static", Name: "asteri-loop --static", Args: asteriLoop("-w", "tornado", "--static", "/files={tmp}/files"), Path: "/plaintext", TLSArgs: asteriTLS},
	{ID: "asteri-go-ws", Name: "asteri-loop, Go handler", Args: asteriLoop("-w", "tornado"), Path: "/ws", TLSArgs: asteriTLS},
	{ID: "asteri-asgi-ws", Name: "asteri-loop asgi", Args: asteriLoop("-w", "asgi:2", "--websocket-connections", "10000", "echo:asgi"), TLSArgs: asteriTLS},
	{ID: "asteri-tornado-ws", Name: "asteri-loop tornado", Args: asteriLoop("-w", "tornado:2", "tornado_echo:app"), TLSArgs: asteriTLS},
	{ID: "asteri-go-h3", Name: "asteri-loop, Go handler", Args: asteriLoop("-w", "tornado", "--http-protocols", "h1,h2,h3"), Path: "/plaintext", TLSArgs: asteriTLS},

	{ID: "asteri-go-unobserved", Name: "asteri-loop, nothing observed", Args: asteriLoop("-w", "tornado", "--status", "off", "--request-id", "off"), Path: "/plaintext"},
	{ID: "asteri-go-logged", Name: "asteri-loop, with an access log", Args: asteriLoop("-w", "tornado", "--access-logfile", "{tmp}/access.log"), Path: "/plaintext"},
	{ID: "asteri-go-observed", Name: "asteri-loop, everything observed", Args: observed(asteriLoop("-w", "tornado", "--access-logfile", "{tmp}/access.log")...), Path: "/plaintext"},
	{ID: "asteri-gthread-unobserved", Name: "asteri-loop gthread, nothing observed", Args: asteriLoop("-w", "gthread:2", "--threads", "4", "--status", "off", "--request-id", "off", "hello:wsgi")},
	{ID: "asteri-gthread-observed", Name: "asteri-loop gthread, everything observed", Args: observed(asteriLoop("-w", "gthread:2", "--threads", "4", "--access-logfile", "{tmp}/access.log", "hello:wsgi")...)},
	{ID: "asteri-go-told", Name: "asteri-loop, Go handler", Args: asteriLoop("-w", "tornado", "--status-token", StatusToken), Path: "/plaintext"},
	{ID: "asteri-hanging", Name: "asteri-loop, workers that hang", Args: asteriLoop("-w", "gthread:2", "--threads", "4", "--timeout", "600", "--graceful-timeout", "1", "--static", "/files={tmp}/files", "--status-token", StatusToken, "hang:wsgi")},
	{ID: "asteri-64-workers", Name: "asteri-loop sync, 64 workers", Args: asteriLoop("-w", "sync:64", "--status-token", StatusToken, "hello:wsgi")},

	{ID: "nginx", Name: "nginx", Conf: "nginx.conf", TLSConf: " ssl http2", Args: nginxArgs},
	{ID: "nginx-h2c", Name: "nginx", Conf: "nginx.conf", PlainConf: " http2", Args: nginxArgs},
	{ID: "h2o", Name: "h2o", Conf: "h2o.conf",
		TLSConf: "\n  ssl:\n    certificate-file: {cert}\n    key-file: {key}",
		Args:    []string{"h2o", "-m", "worker", "-c", "{tmp}/h2o.conf"}},
	{ID: "gnet", Name: "gnet (no parsing)", Args: []string{"{bin}/gnet", "-addr", "127.0.0.1:{port}"}},
	{ID: "fasthttp", Name: "fasthttp", Args: []string{"{bin}/fasthttp", "-addr", "127.0.0.1:{port}"}},
	{ID: "nethttp", Name: "net/http", Args: []string{"{bin}/nethttp", "-addr", "127.0.0.1:{port}"},
		TLSArgs: []string{"-cert", "{cert}", "-key", "{key}"}},
	{ID: "gws", Name: "gws", Args: []string{"{bin}/gws", "-addr", "127.0.0.1:{port}"}},
	{ID: "nbio", Name: "nbio", Args: []string{"{bin}/nbio", "-addr", "127.0.0.1:{port}"}},
	{ID: "quic-go", Name: "quic-go", Args: []string{"{bin}/quicgo", "-addr", "127.0.0.1:{port}"},
		TLSArgs: []string{"-cert", "{cert}", "-key", "{key}"}},

	{ID: "caddy", Name: "Caddy", Args: []string{"{bin}/caddy", "run", "--config", "{tmp}/Caddyfile", "--adapter", "caddyfile"},
		Conf: "Caddyfile", TLSArgs: []string{}},
	{ID: "granian-wsgi", Name: "granian WSGI", TLSArgs: granianTLS,
		Args: granian("--interface", "wsgi", "hello:wsgi")},
	{ID: "granian-asgi", Name: "granian ASGI", TLSArgs: granianTLS,
		Args: granian("--interface", "asgi", "--loop", "uvloop", "hello:asgi")},
	{ID: "granian-ws", Name: "granian ASGI", Args: granian("--interface", "asgi", "--loop", "uvloop", "--ws", "echo:asgi")},
	{ID: "granian-idle", Name: "granian WSGI", // its limit of connections is the backlog's by default
		Args: granian("--interface", "wsgi", "--backlog", "16384", "--backpressure", "8192", "--blocking-threads", "4", "hello:wsgi")},
	{ID: "granian-flask", Name: "granian WSGI", Args: granian("--interface", "wsgi", "flask_hello:app")},
	{ID: "granian-fastapi", Name: "granian ASGI", Args: granian("--interface", "asgi", "--loop", "uvloop", "fastapi_hello:app")},
	{ID: "uvicorn", Name: "uvicorn", Args: uvicorn("hello:asgi"),
		TLSArgs: []string{"--ssl-certfile", "{cert}", "--ssl-keyfile", "{key}"}},
	{ID: "uvicorn-ws", Name: "uvicorn", Args: uvicorn("echo:asgi")},
	{ID: "gunicorn-asgi-ws", Name: "gunicorn asgi", Args: gunicorn("-k", "asgi", "echo:asgi")},
	{ID: "uvicorn-fastapi", Name: "uvicorn", Args: uvicorn("fastapi_hello:app")},
	{ID: "gunicorn-sync", Name: "gunicorn sync", Args: gunicorn("-k", "sync", "hello:wsgi")},
	{ID: "gunicorn-gthread", Name: "gunicorn gthread",
		Args: gunicorn("-k", "gthread", "--threads", "4", "--worker-connections", "8000", "hello:wsgi")},
	{ID: "gunicorn-gevent", Name: "gunicorn gevent", Args: gunicorn("-k", "gevent", "hello:wsgi")},
	{ID: "gunicorn-asgi", Name: "gunicorn asgi", Args: gunicorn("-k", "asgi", "hello:asgi")},
	{ID: "gunicorn-flask", Name: "gunicorn gthread", Args: gunicorn("-k", "gthread", "--threads", "4", "flask_hello:app")},
	{ID: "hypercorn", Name: "hypercorn", Args: []string{
		venv + "hypercorn", "-b", "127.0.0.1:{port}", "-w", "2", "-k", "uvloop",
		"--keep-alive", "600", "--log-level", "warning", "hello:asgi"}, TLSArgs: []string{"--certfile", "{cert}", "--keyfile", "{key}"}},
	{ID: "asteri-py-sync", Name: "Asteri sync", Args: asteriPy("sync", "hello:wsgi")},
	{ID: "asteri-py-gtornado", Name: "Asteri gtornado", Args: asteriPy("gtornado", "hello:wsgi")},
	{ID: "tornado-ws", Name: "Tornado", Args: []string{venv + "python", "tornado_echo.py", "{port}", "2"}},
	{ID: "tornado-app", Name: "Tornado", Args: []string{venv + "python", "tornado_hello.py", "{port}", "2"}},
}
