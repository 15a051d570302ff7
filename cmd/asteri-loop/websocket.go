package main

import (
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/workers/websocket"
)

// websocketOptions are the settings of WebSockets, for Go and Python applications.
func websocketOptions(cfg *config.Config, l *logs) websocket.Options {
	o := websocket.Options{
		MaxMessageSize: int(cfg.WebSocketMaxMessageSize),
		PingInterval:   limit(cfg.WSPingInterval),
		PingTimeout:    limit(cfg.WSPingTimeout),
		Linger:         cfg.WebSocketLinger,
		Grace:          cfg.GracefulTimeout,
		Logger:         l.Logger,
	}
	switch cfg.WebSocketCompression {
	case "off":
		o.Compression = websocket.CompressionOff
	case "takeover":
		o.Compression = websocket.CompressionTakeover
	}
	return o
}
