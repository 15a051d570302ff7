package http2

import (
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
)

// A client that sends nothing more opens no window any more: what waits for one is
// given up at once, and what needs none is sent.
func TestNoWindowOpensBehindTheEnd(t *testing.T) {
	for name, settings := range map[string][]xhttp2.Setting{
		"of a stream":       {{ID: xhttp2.SettingInitialWindowSize, Val: 10}},
		"of the connection": {{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}},
	} {
		for _, first := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				var kept asteri.Exchange
				c := newClientWith(t, settings, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) { x.OnCancel(func(error) {}); kept = x }))
				c.get(1, "/")
				answer := func() { must(t, kept.Respond(200, nil, make([]byte, 100<<10))) }
				if first {
					c.conn.feedEOF()
					answer()
				} else {
					answer()
					c.conn.feedEOF()
				}
				c.frames()
				c.conn.flush()
				c.conn.expire(c.home, mainTimer)
				if c.conn.open() || c.conn.reserved != 0 {
					t.Errorf("open: %v, %d bytes are held", c.conn.open(), c.conn.reserved)
				}
			})
		}
	}
}

// A client that asks for more than its windows admit is read on when others have had
// their turn, also if it has sent all by then.
func TestGreedyClientsTakeTurns(t *testing.T) {
	for _, half := range []bool{false, true} {
		served := 0
		c := newClientWith(t, []xhttp2.Setting{{ID: xhttp2.SettingInitialWindowSize, Val: 0}}, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
			served++
			_ = x.Respond(200, nil, make([]byte, exchange.MaxBacklog))
		}))
		const asked = 10
		for id := uint32(1); id < 2*asked; id += 2 {
			c.headers(id, true, request("GET", "/")...)
		}
		c.send()
		if served >= asked {
			t.Error("all were served in one turn")
		}
		if half {
			c.conn.eof = true
			c.session().OnEOF() // a session that has paused is told at once
		}
		for range asked {
			c.conn.turn()
		}
		if served != asked {
			t.Errorf("half-closed: %v: %d requests were served, want %d", half, served, asked)
		}
	}
}
