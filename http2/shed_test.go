package http2

import (
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"github.com/asteri/asteri-loop"
)

// A connection that is given up ends with GOAWAY, nothing is kept for it, and its
// handlers are told.
func TestShed(t *testing.T) {
	cancelled := 0
	c := newClientWith(t, []xhttp2.Setting{{ID: xhttp2.SettingInitialWindowSize, Val: 0}}, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		x.OnCancel(func(error) { cancelled++ })
		_ = x.Start(200, nil)
		_, _ = x.Write(make([]byte, 100<<10))
	}))
	for id := uint32(1); id < 20; id += 2 {
		c.get(id, "/")
	}
	if held := c.conn.reserved; held < 10*100<<10 {
		t.Errorf("%d bytes are counted", held)
	}
	if c.session().Idle() {
		t.Error("idle")
	}
	c.frames()
	c.session().OnShed()
	c.wantEnd(xhttp2.ErrCodeEnhanceYourCalm)
	if c.conn.reserved != 0 || cancelled != 10 {
		t.Errorf("%d bytes are counted, %d handlers know", c.conn.reserved, cancelled)
	}
}

// An idle one ends in good order.
func TestShedIdle(t *testing.T) {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(204, nil, nil) }))
	c.get(1, "/")
	c.frames()
	if !c.session().Idle() {
		t.Error("not idle")
	}
	c.session().OnShed()
	c.wantEnd(xhttp2.ErrCodeNo)
}

// Nothing is begun for a connection that is about to be given up.
func TestHeavyConnectionsAreRefused(t *testing.T) {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(asteri.Exchange) { t.Error("served") }))
	c.conn.heavy = true
	c.get(1, "/")
	if got := c.frames(); len(got) < 2 || !strings.HasPrefix(got[0], "HEADERS 1: :status=503 ") || !strings.Contains(got[0], "retry-after=1") {
		t.Errorf("the server sent %q", got)
	}
}
