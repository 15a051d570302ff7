// Command gws is a peer of the comparison: the WebSocket library gws echoing
// messages, a goroutine for each connection.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/lxzan/gws"
)

type echo struct{ gws.BuiltinEventHandler }

// OnMessage sends a message back.
func (echo) OnMessage(s *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = s.WriteMessage(m.Opcode, m.Bytes())
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	flag.Parse()
	up := gws.NewUpgrader(echo{}, nil)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if s, err := up.Upgrade(w, r); err == nil {
			go s.ReadLoop()
		}
	})
	log.Fatal(http.ListenAndServe(*addr, nil))
}
