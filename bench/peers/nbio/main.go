//go:build linux || darwin || freebsd

// Command nbio is a peer of the comparison: the event-loop library nbio echoing
// WebSocket messages in its non-blocking mode.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	flag.Parse()
	logging.SetLevel(logging.LevelError)
	up := websocket.NewUpgrader()
	up.OnMessage(func(c *websocket.Conn, kind websocket.MessageType, data []byte) {
		_ = c.WriteMessage(kind, data)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = up.Upgrade(w, r, nil) })
	engine := nbhttp.NewEngine(nbhttp.Config{Network: "tcp", Addrs: []string{*addr}, Handler: mux, IOMod: nbhttp.IOModNonBlocking})
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	select {}
}
