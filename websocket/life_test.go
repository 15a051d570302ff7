package websocket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/wheel"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
	"github.com/asteri/asteri-loop/workers"
)

func TestPings(t *testing.T) {
	addr, e, s, _ := serveEcho(t, Options{PingInterval: 50 * time.Millisecond, PingTimeout: 10 * time.Second})
	c := connect(t, addr)
	for range 3 {
		c.Expect("ping ")
		c.Frame(ws.Pong, true, "")
	}
	c.Close(NormalClosure, "")
	e.expect(t, Closure{NormalClosure, "", true})
	if st := s.Stats(); st.Silent != 0 {
		t.Errorf("counted %+v", st)
	}
}

func TestSilentPeer(t *testing.T) {
	addr, e, s, _ := serveEcho(t, Options{PingInterval: 50 * time.Millisecond, PingTimeout: 50 * time.Millisecond})
	c := connect(t, addr)
	c.Expect("ping ", "close 1011 keepalive ping timeout", "end")
	e.expect(t, Closure{Code: Abnormal})
	if st := s.Stats(); st.Silent != 1 {
		t.Errorf("counted %+v", st)
	}
}

func TestCloseIsNotAnswered(t *testing.T) {
	addr, e, s, _ := serveEcho(t, Options{CloseTimeout: 50 * time.Millisecond, PingInterval: -1})
	c := connect(t, addr)
	c.Text("close")
	c.Expect("close 4000 as asked", "reset")
	e.expect(t, Closure{Code: Abnormal})
	if st := s.Stats(); st.NotAnswered != 1 {
		t.Errorf("counted %+v", st)
	}
}

// Deadlines beyond the wheel's horizon, and many at once.
func TestClock(t *testing.T) {
	h := &home{start: awake.Now() - time.Hour, timer: time.AfterFunc(time.Hour, func() {})}
	defer h.timer.Stop()
	h.wheel.Current = ticks(time.Hour / slotTime)
	conns := make([]Conn, 2000)
	for i := range conns {
		h.set(&conns[i], h.wheel.Current+ticks(1+i))
	}
	for i := range conns {
		if conns[i].due != h.wheel.Current+ticks(1+i) || conns[i].timer.At() >= h.wheel.Current+wheel.Slots {
			t.Fatalf("%d: due %d, looked at %d", i, conns[i].due, conns[i].timer.At())
		}
		if i%2 == 0 {
			h.wheel.Remove(&conns[i])
		}
	}
	if h.wheel.Len() != 1000 || h.wakeAt != h.wheel.Current+1 {
		t.Errorf("%d are left, next at %d", h.wheel.Len(), h.wakeAt-h.wheel.Current)
	}
	for i := range conns {
		h.wheel.Remove(&conns[i])
	}
	if h.wheel.Len() != 0 || h.wheel.Next() != 0 {
		t.Error("something is left in the wheel")
	}
}

func TestStop(t *testing.T) {
	addr, e, _, eng := serveEcho(t, Options{})
	c := connect(t, addr)
	c.Text("a")
	c.Expect("text a")
	drain(t, eng)
	c.Expect("close 1012")
	c.Close(NormalClosure, "")
	e.expect(t, Closure{NormalClosure, "", true})
}

// Connections live on for as long as they may, and no longer. The time is that of the
// test, so that it does not matter how busy the machine is.
func TestLinger(t *testing.T) {
	const lives = 10 * time.Second
	for name, test := range map[string]struct {
		o    Options
		code Code
	}{
		"linger":   {Options{Linger: lives, PingInterval: -1}, ServiceRestart},
		"too long": {Options{Linger: time.Hour, Grace: leaveBefore + lives, PingInterval: -1}, GoingAway},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exec, e := exchangetest.NewExecutor(t), newEcho()
				x := openOn(t, exec, NewServer(test.o), e)
				x.Shutdown()
				time.Sleep(lives - slotTime)
				x.Send(wstest.Frame(ws.Text, true, "still here"))
				if got := frames(t, x.Content()); len(got) != 1 || got[0] != "still here" {
					t.Errorf("before the end of the time it got %q", got)
				}
				time.Sleep(4 * slotTime) // deadlines are coarse
				if got := frames(t, x.Content()); len(got) != 2 || got[1] != fmt.Sprintf("close %d", test.code) {
					t.Errorf("at the end of the time it got %q", got)
				}
				x.Send(wstest.Frame(ws.Close, true, normalClose))
				e.expect(t, Closure{NormalClosure, "bye", true})
			})
		})
	}
}

// The blocking style under each model that may wait.
func TestSocket(t *testing.T) {
	s := NewServer(Options{})
	h := workers.HandlerFunc(func(c *workers.Call) {
		_ = s.Serve(c, Response{}, func(so *Socket) {
			for {
				kind, p, err := so.Receive(t.Context())
				if e, closed := IsClosed(err); closed {
					if e.Code != NormalClosure || !errors.Is(err, asteri.ErrClosed) {
						t.Errorf("closed with %v", err)
					}
					return
				}
				switch string(p) {
				case "return":
					return
				case "panic":
					panic("as asked")
				case "wait":
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
					_, _, err := so.Receive(ctx)
					cancel()
					p = []byte(err.Error())
				}
				if err := so.Send(t.Context(), kind, p); err != nil {
					t.Error(err)
				}
			}
		})
	})
	for name, model := range map[string]asteri.Handler{
		"sync": workers.Sync(h, workers.Options{Workers: 4}), "gevent": workers.Gevent(h, workers.Options{}),
		"asgi": workers.ASGI(h, workers.Options{}), "gtornado": workers.GTornado(h, workers.Options{}),
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := serve(t, model)
			c := connect(t, addr)
			c.Text("hello")
			c.Expect("text hello")
			c.Text("wait")
			c.Expect("text context deadline exceeded")
			for i := range 3 { // more than is kept for who does not receive
				big := strings.Repeat(string(rune('a'+i)), 300<<10)
				c.Binary(big)
				c.Expect("binary " + big)
			}
			c.Close(NormalClosure, "")
			c.Expect("close 1000", "end")
			c = connect(t, addr)
			c.Text("return")
			c.Expect("close 1000")
			c = connect(t, addr)
			c.Text("panic")
			c.Expect("close 1011")
			if c := dial(t, addr, strings.Replace(wstest.Head("/"), "13", "7", 1)); c.Response.StatusCode != 426 {
				t.Errorf("got %s", c.Response.Status)
			}
		})
	}
}
