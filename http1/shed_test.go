package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// What becomes of a connection that is given up depends on how far its request is.
func TestShed(t *testing.T) {
	for name, c := range map[string]struct {
		input   string
		handler asteri.HandlerFunc
		want    string // the client sees, or empty
		aborted bool
		idle    bool
	}{
		"before a request": {idle: true},
		"within a head":    {input: "GET / HTTP/1.1\r\nHo", aborted: true},
		"request waits":    {input: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", handler: func(x asteri.Exchange) { x.OnCancel(func(error) {}) }, want: "503"},
		"content is awaited": {
			input:   post("100000", ""),
			handler: func(x asteri.Exchange) { x.ReadBody(panicSink{}) },
			want:    "503",
		},
		"response has begun": {
			input:   "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			handler: func(x asteri.Exchange) { _ = x.Start(200, nil); x.OnCancel(func(error) {}) },
			want:    "200", aborted: true,
		},
		"between requests": {
			input:   "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			handler: func(x asteri.Exchange) { _ = x.Respond(204, nil, nil) },
			want:    "204", idle: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) { c.handler(x) }))
			conn.feed([]byte(c.input))
			s := conn.session.(loop.Shedder)
			if s.Idle() != c.idle {
				t.Errorf("idle: %v", s.Idle())
			}
			s.OnShed()
			out := conn.take()
			if !strings.Contains(out, c.want) || c.want == "" && out != "" {
				t.Errorf("got %q", out)
			}
			if c.want == "503" && !strings.Contains(out, "Retry-After: 1\r\n") {
				t.Errorf("no Retry-After: %q", out)
			}
			if conn.open() || errors.Is(conn.aborted, loop.Shed) != c.aborted {
				t.Errorf("aborted with %v", conn.aborted)
			}
		})
	}
}

// Nothing is begun for a connection that is about to be given up.
func TestHeavyConnectionsAreRefused(t *testing.T) {
	conn := newFakeConn(asteri.HandlerFunc(func(asteri.Exchange) { t.Error("served") }))
	conn.heavy = true
	conn.feed([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	wantHas(t, conn.take(), "503", "Retry-After: 1\r\n")
}
