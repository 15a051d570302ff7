package http2

import (
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"github.com/asteri/asteri-loop"
)

// A stream whose window the client has opened is not one that stalls, though it has to
// wait for a more urgent one.
func TestOpenedWindowIsNoStall(t *testing.T) {
	for name, open := range map[string]func(c *client){
		"WINDOW_UPDATE": func(c *client) { must(t, c.WriteWindowUpdate(1, 1<<20)) },
		"SETTINGS": func(c *client) {
			must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClientWith(t, modern, Config{}, sized)
			must(t, c.WriteWindowUpdate(0, 1<<30))
			c.get(1, "/100000", "priority", "u=7")
			if c.session().streams.Open[1].stalled == 0 {
				t.Fatal("the first does not stall")
			}
			must(t, c.WriteWindowUpdate(0, 1))
			c.conn.held = true // and the second takes all that the path has
			c.get(3, "/65535", "priority", "u=0")
			open(c)
			c.send()
			for range 3 {
				c.conn.expire(c.home, mainTimer)
			}
			if st := c.session().streams.Open[1]; st == nil || st.state == streamClosed {
				t.Errorf("reset: %q", c.frames())
			}
		})
	}
}

// That the client sends no more is told, though it comes while the client is not read.
func TestHalfCloseOfAClientThatIsNotRead(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		if x.Request().HasBody() {
			k.ServeExchange(x)
			return
		}
		must(t, x.Respond(204, fields("x-a", strings.Repeat("a", 5000)), nil))
	}))
	c.headers(1, false, request("POST", "/")...)
	c.send()
	var body bodyLog
	k.last(t).ReadBody(&body)
	c.conn.held = true
	for id := uint32(3); !c.conn.paused; id += 2 {
		c.get(id, "/")
	}
	c.session().OnEOF()
	if len(body.errs) != 0 {
		t.Fatalf("told too early: %v", body.errs)
	}
	c.conn.eof = true
	c.conn.release()
	c.settle()
	if len(body.errs) != 1 {
		t.Errorf("told %v", body.errs)
	}
}

// A setting that is told again has not changed, whatever other frames have shown of the
// client since.
func TestPrioritySettingToldAgain(t *testing.T) {
	c := newClient(t, Config{}, hello)
	must(t, c.WriteRawFrame(xhttp2.FrameType(framePriorityUpdate), 0, 0, []byte("\x00\x00\x00\x01u=1")))
	must(t, c.WriteSettings(xhttp2.Setting{ID: settingNoOldPriorities, Val: 0}))
	c.send()
	c.want("SETTINGS ack")
	must(t, c.WriteSettings(modern...))
	c.send()
	c.wantEnd(xhttp2.ErrCodeProtocol)
}

// A stream for whom half a trailer has come is not used for another request.
func TestStreamWithHalfATrailerIsNotReleased(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.headers(1, false, request("POST", "/", "content-length", "100000")...)
	must(t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head("x-late", "1"), EndStream: true}))
	c.send()
	x := k.last(t)
	must(t, x.Respond(200, nil, nil))
	if x.(asteri.Releaser).Release() {
		t.Error("taken back")
	}
}
