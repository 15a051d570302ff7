package main

import (
	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/report"
)

// browserFields make a request head as large as a browser's, about 700 bytes.
var browserFields = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
	"Accept-Language: en-GB,en;q=0.8,de;q=0.5",
	"Accept-Encoding: gzip, deflate, br, zstd",
	"Referer: https://www.example.org/some/page/that/linked/here?with=a&query=string",
	"Cookie: session=6f1c0f4c2d0a4b7c9a3be0d7f4d2f1aa; theme=dark; consent=1",
	"Cache-Control: max-age=0",
	"Upgrade-Insecure-Requests: 1",
	"Sec-Fetch-Dest: document",
	"Sec-Fetch-Mode: navigate",
	"Sec-Fetch-Site: same-origin",
}

// http1Cases are the loads of HTTP/1.1. In each, ours come first, then the
// reference servers.
var http1Cases = []benchCase{
	{
		id: "go", title: "Go handler", load: load.Spec{Connections: 64},
		servers: []string{"asteri-go", "nginx", "gnet", "h2o", "fasthttp", "nethttp"},
		targets: []report.Target{cpu("asteri-go", "nginx", 1)},
	},
	{
		id: "go-pipelined", title: "Go handler, pipelined", load: load.Spec{Connections: 64, Pipeline: 16},
		servers: []string{"asteri-go", "gnet", "fasthttp", "nginx", "h2o"},
		targets: []report.Target{cpu("asteri-go", "gnet", 1)},
	},
	{
		id: "go-close", title: "Go handler, no keep-alive", load: load.Spec{Connections: 50, Close: true},
		servers: []string{"asteri-go", "nginx", "gnet", "fasthttp"},
		targets: []report.Target{cpu("asteri-go", "nginx", 1)},
	},
	{
		id: "go-tls", title: "Go handler, TLS", load: load.Spec{Connections: 64, TLS: true},
		servers: []string{"asteri-go", "nginx", "h2o", "nethttp", "granian-wsgi"},
		targets: []report.Target{cpu("asteri-go", "nginx", 1)},
	},
	{
		id: "go-browser", title: "Go handler, a browser's request", load: load.Spec{Connections: 64, Fields: browserFields},
		servers: []string{"asteri-go", "nginx", "fasthttp"},
	},
	{
		id: "wsgi", title: "WSGI hello", load: load.Spec{Connections: 64},
		servers: []string{
			"asteri-gthread", "asteri-sync", "asteri-gevent", "granian-wsgi",
			"asteri-py-sync", "gunicorn-gevent", "gunicorn-sync", "gunicorn-gthread",
		},
		targets: []report.Target{
			cpu("asteri-gthread", "granian-wsgi", 0.6), rate("asteri-gthread", "granian-wsgi", 1.5),
			cpu("asteri-sync", "granian-wsgi", 0.75),
		},
	},
	{
		id: "wsgi-browser", title: "WSGI hello, a browser's request", load: load.Spec{Connections: 64, Fields: browserFields},
		servers: []string{"asteri-gthread", "granian-wsgi"},
	},
	{
		id: "wsgi-close", title: "WSGI hello, no keep-alive", load: load.Spec{Connections: 50, Close: true},
		servers: []string{"asteri-gthread", "granian-wsgi", "asteri-py-sync", "gunicorn-sync"},
		targets: []report.Target{cpu("asteri-gthread", "granian-wsgi", 0.6)},
	},
	{
		id: "gtornado", title: "WSGI hello under gtornado", load: load.Spec{Connections: 64},
		servers: []string{"asteri-gtornado", "asteri-py-gtornado"},
		targets: []report.Target{cpu("asteri-gtornado", "asteri-py-gtornado", 0.1)},
	},
	{
		id: "tornado", title: "Tornado application", load: load.Spec{Connections: 64},
		servers: []string{"asteri-tornado-app", "tornado-app"},
	},
	{
		id: "asgi", title: "ASGI hello", load: load.Spec{Connections: 64},
		servers: []string{"asteri-asgi", "uvicorn", "granian-asgi", "gunicorn-asgi", "hypercorn"},
		targets: []report.Target{cpu("asteri-asgi", "uvicorn", 0.65), rate("asteri-asgi", "uvicorn", 1.4)},
	},
	{
		id: "asgi-one", title: "ASGI hello, one connection", load: load.Spec{Connections: 1},
		servers: []string{"asteri-asgi", "uvicorn", "nginx"},
		targets: []report.Target{rate("asteri-asgi", "uvicorn", 1)},
	},
	{
		id: "flask", title: "Flask hello", load: load.Spec{Connections: 64},
		servers: []string{"asteri-flask", "granian-flask", "gunicorn-flask"},
		targets: []report.Target{
			rate("asteri-flask", "granian-flask", 1.15), rate("asteri-flask", "gunicorn-flask", 2),
		},
	},
	{
		id: "fastapi", title: "FastAPI hello", load: load.Spec{Connections: 64},
		servers: []string{"asteri-fastapi", "uvicorn-fastapi", "granian-fastapi"},
		targets: []report.Target{rate("asteri-fastapi", "uvicorn-fastapi", 1.2)},
	},
	{
		id: "idle", title: "Idle connections", idle: true, load: load.Spec{Connections: 10000},
		servers: []string{"asteri-go", "asteri-gthread", "nginx", "h2o", "gunicorn-gthread", "uvicorn", "nethttp", "granian-idle"},
		targets: []report.Target{memory("asteri-go", 2000), memory("asteri-gthread", 2000)},
	},
	{
		id: "idle-tls", title: "Idle connections, TLS", idle: true, load: load.Spec{Connections: 10000, TLS: true},
		servers: []string{"asteri-go", "nginx", "h2o", "nethttp"},
	},
}
