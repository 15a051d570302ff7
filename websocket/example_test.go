package websocket_test

import (
	"context"
	"log"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers"
)

// room sends each message to everybody who is in it. It is used from one loop only,
// so that it needs no lock.
type room map[*websocket.Conn]bool

func (r room) OnMessage(_ *websocket.Conn, kind websocket.Kind, p []byte) {
	for c := range r {
		_, _ = c.Write(kind, p) // whoever has left is told by OnClose
	}
}

func (r room) OnClose(c *websocket.Conn, _ websocket.Closure) { delete(r, c) }

// A chat on one event loop.
func ExampleServer_Accept() {
	server, everybody := websocket.NewServer(websocket.Options{}), room{}
	handler := asteri.HandlerFunc(func(x asteri.Exchange) {
		if c, err := server.Accept(x, everybody, websocket.Response{}); err == nil {
			everybody[c] = true
		}
	})
	engine, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		log.Fatal(err)
	}
	if err := engine.Listen(":8080", http1.Protocol(handler)); err != nil {
		log.Fatal(err)
	}
	log.Fatal(engine.Run(context.Background()))
}

// An echo that waits for its messages, on a goroutine.
func ExampleServer_Serve() {
	server := websocket.NewServer(websocket.Options{})
	handler := workers.HandlerFunc(func(c *workers.Call) {
		_ = server.Serve(c, websocket.Response{}, func(s *websocket.Socket) {
			for {
				kind, message, err := s.Receive(context.Background())
				if err != nil {
					return // how the client ended it: see websocket.IsClosed
				}
				if err := s.Send(context.Background(), kind, message); err != nil {
					return
				}
			}
		})
	})
	engine, err := loop.New(loop.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := engine.Listen(":8080", http1.Protocol(workers.ASGI(handler, workers.Options{}))); err != nil {
		log.Fatal(err)
	}
	log.Fatal(engine.Run(context.Background()))
}
