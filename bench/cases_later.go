package main

import (
	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/report"
)

// http2Load is many requests on few connections, as behind a load balancer.
func http2Load(useTLS bool) load.Spec {
	return load.Spec{Protocol: load.HTTP2, Connections: 16, Streams: 32, TLS: useTLS}
}

var http2Cases = []benchCase{
	{
		id: "h2-tls", title: "HTTP/2 over TLS, Go handler", load: http2Load(true),
		servers: []string{"asteri-go", "h2o", "nginx", "nethttp"},
		targets: []report.Target{cpu("asteri-go", "h2o", 1), cpu("asteri-go", "nginx", 0.2)},
	},
	{
		id: "h2c", title: "HTTP/2, plain, Go handler", load: http2Load(false),
		servers: []string{"asteri-go", "h2o", "nginx-h2c"},
		targets: []report.Target{cpu("asteri-go", "h2o", 1)},
	},
	{
		id: "h2-asgi", title: "HTTP/2 over TLS, ASGI hello", load: http2Load(true),
		servers: []string{"asteri-asgi", "granian-asgi", "hypercorn"},
		targets: []report.Target{cpu("asteri-asgi", "granian-asgi", 1.0/3)},
	},
}

var http3Cases = []benchCase{
	{
		id: "h3", title: "HTTP/3, Go handler", load: load.Spec{Protocol: load.HTTP3, Connections: 16, Streams: 8, TLS: true},
		servers: []string{"asteri-go-h3", "quic-go", "caddy"},
		targets: []report.Target{cpu("asteri-go-h3", "quic-go", 1), cpu("asteri-go-h3", "caddy", 1)},
	},
}

var webSocketCases = []benchCase{
	{
		id: "ws-asgi", title: "WebSocket echo, ASGI", load: load.Spec{Protocol: load.WebSocket, Connections: 64},
		servers: []string{"asteri-asgi-ws", "uvicorn-ws", "gunicorn-asgi-ws", "granian-ws", "asteri-tornado-ws", "tornado-ws"},
		targets: []report.Target{cpu("asteri-asgi-ws", "uvicorn-ws", 0.7)},
	},
	{
		id: "ws-go", title: "WebSocket echo, Go handler", load: load.Spec{Protocol: load.WebSocket, Connections: 64},
		servers: []string{"asteri-go-ws", "nbio", "gws"},
		targets: []report.Target{cpu("asteri-go-ws", "nbio", 1), cpu("asteri-go-ws", "gws", 1)},
	},
	{
		id: "ws-idle", title: "Idle WebSockets of an ASGI application", idle: true, load: load.Spec{Protocol: load.WebSocket, Connections: 10000},
		servers: []string{"asteri-asgi-ws", "uvicorn-ws"},
		targets: []report.Target{{Ours: "asteri-asgi-ws", Metric: report.Memory, Reference: "uvicorn-ws", Limit: 1.0 / 3}},
	},
}

// staticCase asks for a file.
func staticCase(id, title, path string, useTLS bool) benchCase {
	return benchCase{
		id: id, title: title, path: path, load: load.Spec{Connections: 64, TLS: useTLS},
		servers: []string{"asteri-static", "nginx", "h2o"},
		targets: []report.Target{cpu("asteri-static", "nginx", 1)},
	}
}

var staticCases = []benchCase{
	staticCase("static-10k", "A file of 10 kB", peers.SmallFile, false),
	staticCase("static-1m", "A file of 1 MB", peers.LargeFile, false),
	staticCase("static-10k-tls", "A file of 10 kB, TLS", peers.SmallFile, true),
	staticCase("static-1m-tls", "A file of 1 MB, TLS", peers.LargeFile, true),
	{
		id: "go-many", title: "Go handler, 10,000 connections", load: load.Spec{Connections: 10000},
		servers: []string{"asteri-go", "nginx"},
		targets: []report.Target{cpu("asteri-go", "nginx", 1)},
	},
}
