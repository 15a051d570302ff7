package main

import (
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/status"
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

// reportWebSockets adds an application's WebSockets to a status report.
func reportWebSockets(r *status.Report, st websocket.Stats) {
	if st.Opened == 0 && st.Refused == 0 {
		return
	}
	if r.WebSockets == nil {
		r.WebSockets = &status.WebSockets{Failures: map[string]uint64{}}
	}
	w := r.WebSockets
	w.Open += st.Open
	w.Opened += st.Opened
	w.Refused += st.Refused
	w.MessagesIn += st.MessagesIn
	w.MessagesOut += st.MessagesOut
	w.Silent += st.Silent
	w.Stalled += st.Stalled
	w.NotAnswered += st.NotAnswered
	for reason, n := range st.Failures {
		w.Failures[reason] += n
	}
}
