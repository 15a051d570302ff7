package http2

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
)

// sized answers with as much content as the path says.
var sized = asteri.HandlerFunc(func(x asteri.Exchange) {
	var n int
	if _, err := fmt.Sscanf(string(x.Request().Path), "/%d", &n); err != nil {
		panic(err)
	}
	_ = x.Respond(200, nil, make([]byte, n))
})

// data returns of what the server sent the streams of its DATA frames, with a
// stroke where one ends.
func (c *client) data() string {
	var b strings.Builder
	for _, w := range c.frames() {
		var id int
		if _, err := fmt.Sscanf(w, "DATA %d", &id); err == nil {
			fmt.Fprint(&b, id)
			if strings.Contains(w, " end: ") {
				b.WriteString("|")
			}
		}
	}
	return b.String()
}

func TestWindowsHoldContentBack(t *testing.T) {
	c := newClient(t, Config{}, sized, asteri.WithServer(""))
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 100}))
	c.get(1, "/250")
	c.want("SETTINGS ack", "HEADERS 1: :status=200 content-length=250", "DATA 1: 100 bytes")
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 50}))
	c.send()
	c.want("SETTINGS ack")
	must(t, c.WriteWindowUpdate(1, 60)) // 10 of it make up for the setting
	must(t, c.WriteWindowUpdate(1, 80))
	c.send()
	c.want("DATA 1: 90 bytes")
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1000}))
	c.send()
	c.want("SETTINGS ack", "DATA 1 end: 60 bytes")
}

// A stream whose client takes nothing holds up no other.
func TestBlockedStreamHoldsUpNoOther(t *testing.T) {
	c := newClient(t, Config{}, sized)
	must(t, c.WriteWindowUpdate(0, 1<<20))
	c.get(1, "/200000")
	if got := c.data(); got != "1111" { // its window
		t.Fatalf("got %s", got)
	}
	c.get(3, "/10000")
	if got := c.data(); got != "3|" {
		t.Errorf("got %s", got)
	}
}

func TestConnectionWindowIsShared(t *testing.T) {
	c := newClient(t, Config{}, sized)
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
	c.get(1, "/65535") // all of the connection's
	c.get(3, "/40000")
	c.get(5, "/40000")
	c.get(7, "/0")
	if got := c.data(); got != "1111|" {
		t.Fatalf("got %s", got)
	}
	must(t, c.WriteWindowUpdate(0, 1<<20))
	c.send()
	if got := c.data(); got != "353535|3|" && got != "35353|5|" {
		t.Errorf("got %s", got)
	}
}

func TestPriorities(t *testing.T) {
	for _, tt := range []struct {
		name  string
		old   bool // the client does not know RFC 9218
		prios [3]string
		want  string
	}{
		{"none is known", true, [3]string{}, "135135135|1|3|5|"},
		{"one after the other", false, [3]string{}, "1111|3333|5555|"},
		{"incremental", false, [3]string{"i", "i", "i"}, "135135135|"},
		{"urgent", false, [3]string{"u=5", "u=1", "u=3"}, "3333|5555|1111|"},
		{"urgent, unknown members", false, [3]string{"a=b, u=5;x", "u=9, u=1", ""}, "3333|5555|1111|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := modern
			if tt.old {
				settings = nil
			}
			c := newClientWith(t, settings, Config{}, sized)
			must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
			c.headers(99, true, request("GET", "/65535")...)
			c.send()
			c.data() // the connection's window is used up
			for i, p := range tt.prios {
				head := request("GET", "/60000")
				if p != "" {
					head = append(head, "priority", p)
				}
				c.headers(uint32(101+2*i), true, head...)
			}
			c.send()
			must(t, c.WriteWindowUpdate(0, 1<<20))
			c.send()
			got := strings.NewReplacer("101", "1", "103", "3", "105", "5").Replace(c.data())
			if !strings.HasPrefix(got, tt.want[:9]) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPriorityUpdate(t *testing.T) {
	c := newClientWith(t, modern, Config{}, sized)
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
	must(t, c.WritePriorityUpdate(5, "u=0")) // before its stream
	c.get(1, "/65535")
	c.get(3, "/40000")
	c.get(5, "/40000")
	c.get(7, "/40000")
	c.data()
	must(t, c.WritePriorityUpdate(3, "u=7"))
	must(t, c.WriteWindowUpdate(0, 1<<20))
	c.send()
	if got := c.data(); got != "555|777|333|" {
		t.Errorf("got %s", got)
	}
}

// The send queue of the connection is kept short, so that what is urgent need not
// wait for what is not.
func TestUrgentOvertakes(t *testing.T) {
	c := newClientWith(t, modern, Config{}, sized)
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 24}))
	must(t, c.WriteWindowUpdate(0, 1<<24))
	c.send()
	c.frames()
	c.conn.held = true
	c.get(1, "/1000000")
	if n := c.conn.Queued(); n > 2*sendHigh {
		t.Errorf("%d bytes are queued", n)
	}
	c.get(3, "/5000", "priority", "u=1")
	c.conn.release()
	if got := c.data(); strings.Index(got, "3|") > 6 || !strings.HasSuffix(got, "1|") {
		t.Errorf("got %s", got)
	}
}

func TestWriterWaits(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.get(1, "/")
	x := k.last(t)
	must(t, x.Start(200, nil))
	drained := 0
	x.OnDrain(func() { drained++ })
	c.settle()
	if drained != 1 {
		t.Fatal("a queue that was never long is not short")
	}
	queued := 0
	for queued < asteri.HighWater {
		var err error
		queued, err = x.Write(make([]byte, 10000))
		must(t, err)
	}
	x.OnDrain(func() { drained++ })
	c.settle()
	if drained != 1 {
		t.Fatal("told of room while there is none")
	}
	must(t, c.WriteWindowUpdate(0, 1<<20))
	must(t, c.WriteWindowUpdate(1, uint32(queued-asteri.LowWater)))
	c.send()
	if drained != 1 {
		t.Errorf("told of room at the low-water mark already")
	}
	must(t, c.WriteWindowUpdate(1, 1))
	c.send()
	if drained != 2 {
		t.Errorf("told %d times", drained)
	}
	if n, _ := x.Write(nil); n >= asteri.LowWater {
		t.Errorf("%d bytes are queued", n)
	}
}

// What the streams of one connection may have waiting together is bounded, too.
func TestBacklog(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0}))
	total := 0
	for id := uint32(1); id < 200; id += 2 {
		c.get(id, "/")
		x := k.last(t)
		must(t, x.Start(200, nil))
		for {
			queued, err := x.Write(make([]byte, 8<<10))
			must(t, err)
			total += 8 << 10
			if queued >= asteri.HighWater {
				break
			}
		}
	}
	if s := c.session(); total > 2*exchange.MaxBacklog+100*asteri.LowWater || s.streams.Backlog() != total {
		t.Errorf("%d bytes wait, %d are counted", total, s.streams.Backlog())
	}
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
	must(t, c.WriteWindowUpdate(0, 1<<30))
	c.send()
	if n := c.session().streams.Backlog(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

func TestCancel(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.headers(1, false, request("POST", "/")...)
	c.send()
	x := k.last(t)
	var causes []error
	var body bodyLog
	x.OnCancel(func(err error) { causes = append(causes, err) })
	x.ReadBody(&body)
	must(t, c.WriteRSTStream(1, xhttp2.ErrCodeCancel))
	c.send()
	if len(causes) != 1 || !errors.Is(causes[0], asteri.ErrClientGone) || len(body.errs) != 1 {
		t.Errorf("%v, %v", causes, body.errs)
	}
	if err := x.Respond(200, nil, nil); !errors.Is(err, asteri.ErrClosed) || x.Post(func() {}) {
		t.Errorf("after the end: %v", err)
	}
	c.want()
}

func TestHalfClose(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k, asteri.WithServer(""))
	c.get(1, "/")
	var causes []error
	k.last(t).OnCancel(func(err error) { causes = append(causes, err) })
	c.conn.feedEOF()
	if len(causes) != 1 || !errors.Is(causes[0], asteri.ErrHalfClosed) || !c.conn.open() {
		t.Fatalf("causes are %v", causes)
	}
	must(t, k.last(t).Respond(200, nil, []byte("a")))
	c.want("HEADERS 1: :status=200 content-length=1", "DATA 1 end: a", "GOAWAY 1: NO_ERROR")
	if !c.conn.closed || c.conn.linger {
		t.Error("the connection is not closed, or lingers")
	}
}

// Who waits for content that no more will come is told.
func TestHalfCloseWithinContent(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k, asteri.WithServer(""))
	c.headers(1, false, ":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a")
	must(t, c.WriteData(1, false, []byte("half")))
	c.send()
	var body bodyLog
	k.last(t).ReadBody(&body)
	c.settle()
	c.conn.feedEOF()
	if string(body.body) != "half" || len(body.errs) != 1 || !errors.Is(body.errs[0], asteri.ErrHalfClosed) || !c.conn.open() {
		t.Fatalf("got %q, %v", body.body, body.errs)
	}
	must(t, k.last(t).Respond(400, nil, nil))
	c.want("HEADERS 1 end: :status=400 content-length=0", "GOAWAY 1: NO_ERROR")
	if !c.conn.closed {
		t.Error("the connection is not closed")
	}
}

func TestConnectionLost(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.get(1, "/")
	var cause error
	k.last(t).OnCancel(func(err error) { cause = err })
	c.conn.session.OnClose(errTest)
	if !errors.Is(cause, asteri.ErrClientGone) {
		t.Errorf("cause is %v", cause)
	}
}

func TestShutdown(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k, asteri.WithServer(""))
	c.get(1, "/")
	c.conn.session.OnShutdown()
	c.want("GOAWAY 2147483647: NO_ERROR", "PING goodbye!")
	c.get(3, "/") // was on its way
	must(t, c.WritePing(true, [8]byte([]byte(goodbyePing))))
	c.get(5, "/") // was not
	c.want("GOAWAY 3: NO_ERROR")
	if len(k.got) != 2 {
		t.Fatalf("%d requests were served", len(k.got))
	}
	must(t, k.got[0].Respond(204, nil, nil))
	if !c.conn.open() {
		t.Fatal("closed with a stream open")
	}
	must(t, k.got[1].Respond(204, nil, nil))
	c.want("HEADERS 1 end: :status=204", "HEADERS 3 end: :status=204")
	if !c.conn.closed {
		t.Error("not closed")
	}
}

func TestShutdownOfAnIdleConnection(t *testing.T) {
	c := newClient(t, Config{}, hello)
	c.conn.session.OnShutdown()
	c.conn.expire(c.home, mainTimer) // the client does not answer
	c.want("GOAWAY 2147483647: NO_ERROR", "PING goodbye!", "GOAWAY 0: NO_ERROR")
	if !c.conn.closed {
		t.Error("not closed")
	}
}

func TestDeadlines(t *testing.T) {
	t.Run("no preface", func(t *testing.T) {
		c := newRawClient(t, Config{}, hello)
		c.conn.expire(c.home, mainTimer)
		c.wantEnd(xhttp2.ErrCodeSettingsTimeout)
	})
	t.Run("no acknowledgement", func(t *testing.T) {
		c := newRawClient(t, Config{}, hello)
		c.in.WriteString(preface)
		must(t, c.WriteSettings())
		c.send()
		c.conn.expire(c.home, mainTimer)
		c.wantEnd(xhttp2.ErrCodeSettingsTimeout)
	})
	t.Run("idle", func(t *testing.T) {
		c := newClient(t, Config{}, hello)
		c.home.time = c.home.time.Add(time.Second)
		c.get(1, "/")
		c.frames()
		for range 3 {
			c.conn.expire(c.home, mainTimer)
		}
		c.want("GOAWAY 1: NO_ERROR")
		if !c.conn.closed {
			t.Error("not closed")
		}
	})
	t.Run("header section", func(t *testing.T) {
		c := newClient(t, Config{}, hello)
		must(t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head(request("GET", "/")...)}))
		c.send()
		for range 3 {
			c.conn.expire(c.home, mainTimer)
		}
		c.wantEnd(xhttp2.ErrCodeProtocol)
	})
	t.Run("stream that stalls", func(t *testing.T) {
		c := newClient(t, Config{}, sized)
		must(t, c.WriteWindowUpdate(0, 1<<20))
		c.get(1, "/100000")
		c.data()
		for range 3 {
			c.conn.expire(c.home, mainTimer)
		}
		if got := c.frames(); len(got) < 1 || got[0] != "RST_STREAM 1: CANCEL" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("connection that stalls", func(t *testing.T) {
		c := newClient(t, Config{}, sized)
		must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
		c.get(1, "/100000")
		for range 3 {
			c.conn.expire(c.home, mainTimer)
		}
		c.wantEnd(xhttp2.ErrCodeEnhanceYourCalm)
	})
}

// A client that has us answer and takes nothing is not read any more.
func TestClientThatDoesNotReadIsNotRead(t *testing.T) {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		must(t, x.Respond(204, fields("x-a", strings.Repeat("a", 5000)), nil))
	}))
	c.conn.held = true
	for id := uint32(1); !c.conn.paused; id += 2 {
		if id > 2000 {
			t.Fatal("still read")
		}
		c.get(id, "/")
	}
	if n := c.conn.Queued(); n > 2*pauseMark {
		t.Errorf("%d bytes are queued", n)
	}
	c.conn.release()
	if c.conn.paused {
		t.Error("still paused")
	}
}

func TestTunnel(t *testing.T) {
	var tunnel asteri.Tunnel
	var got bodyLog
	down := 0
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		if r := x.Request(); r.Method != "CONNECT" || r.Protocol != "websocket" || string(r.Path) != "/chat" {
			t.Errorf("request is %+v", r)
		}
		if _, err := x.Upgrade(fields("Upgrade", "other")); err == nil {
			t.Error("upgraded to what was not offered")
		}
		var err error
		tunnel, err = x.Upgrade(fields("Upgrade", "websocket", "sec-websocket-protocol", "a"))
		must(t, err)
		tunnel.Read(&got)
		tunnel.OnShutdown(func() { down++ })
	}), asteri.WithServer(""))
	c.headers(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat", ":authority", "a")
	must(t, c.WriteData(1, false, []byte("hello")))
	c.send()
	if string(got.body) != "hello" {
		t.Errorf("got %q", got.body)
	}
	_, err := tunnel.Write([]byte("world"))
	must(t, err)
	c.want("HEADERS 1: :status=200 sec-websocket-protocol=a", "DATA 1: world")
	tunnel.Consumed(5)
	ran := false
	if !tunnel.Post(func() { ran = true }) {
		t.Error("Post fails")
	}
	c.conn.session.OnShutdown()
	c.settle()
	if down != 1 || !ran {
		t.Errorf("told %d times of the stop; ran %v", down, ran)
	}
	must(t, c.WriteData(1, true, []byte("bye")))
	c.send()
	if string(got.body) != "hellobye" || got.ends != 1 {
		t.Errorf("got %q, %d ends", got.body, got.ends)
	}
	tunnel.Close()
	c.want("GOAWAY 2147483647: NO_ERROR", "PING goodbye!", "DATA 1 end: ")
	if _, err := tunnel.Write(nil); !errors.Is(err, asteri.ErrClosed) || tunnel.Post(func() {}) {
		t.Errorf("after the end: %v", err)
	}
}

func TestTunnelEnds(t *testing.T) {
	open := func(t *testing.T) (*client, asteri.Tunnel, *bodyLog) {
		k := new(keeper)
		c := newClient(t, Config{}, k)
		c.headers(1, false, ":method", "CONNECT", ":protocol", "x", ":scheme", "http", ":path", "/", ":authority", "a")
		c.send()
		tunnel, err := k.last(t).Upgrade(fields("Upgrade", "x"))
		must(t, err)
		got := new(bodyLog)
		tunnel.Read(got)
		c.frames()
		return c, tunnel, got
	}
	t.Run("abort", func(t *testing.T) {
		c, tunnel, got := open(t)
		tunnel.Abort(errTest)
		c.want("RST_STREAM 1: INTERNAL_ERROR")
		if len(got.errs) != 1 {
			t.Errorf("%v", got.errs)
		}
	})
	t.Run("reset", func(t *testing.T) {
		c, _, got := open(t)
		must(t, c.WriteRSTStream(1, xhttp2.ErrCodeCancel))
		c.send()
		if len(got.errs) != 1 || !errors.Is(got.errs[0], asteri.ErrClientGone) {
			t.Errorf("%v", got.errs)
		}
	})
	t.Run("close", func(t *testing.T) {
		c, tunnel, got := open(t)
		tunnel.Close()
		if len(got.errs) != 1 {
			t.Errorf("%v", got.errs)
		}
		c.want("DATA 1 end: ")
		c.conn.expire(c.home, bodyTimer) // the client does not close
		c.want("RST_STREAM 1: NO_ERROR")
	})
	t.Run("half-close", func(t *testing.T) {
		c, tunnel, got := open(t)
		c.conn.feedEOF()
		if got.ends != 1 || len(got.errs) > 0 || !c.conn.open() {
			t.Fatalf("%d ends, %v", got.ends, got.errs)
		}
		_, err := tunnel.Write([]byte("bye"))
		must(t, err)
		tunnel.Close()
		c.want("DATA 1: bye", "DATA 1 end: ", "GOAWAY 1: NO_ERROR")
		if !c.conn.closed {
			t.Error("the connection is not closed")
		}
	})
	t.Run("panic", func(t *testing.T) {
		c, tunnel, _ := open(t)
		tunnel.Post(func() { panic(errTest) })
		c.settle()
		c.want("RST_STREAM 1: INTERNAL_ERROR")
	})
}
