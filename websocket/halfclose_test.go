package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
	"github.com/asteri/asteri-loop/workers"
)

// taker takes one message at a time.
type taker struct {
	*echo
	exec   *exchangetest.Executor
	conn   *Conn
	took   []string
	closed []Closure
}

func newTaker(exec *exchangetest.Executor) *taker { return &taker{echo: newEcho(), exec: exec} }

func (h *taker) OnMessage(c *Conn, _ Kind, p []byte) {
	h.conn = c
	h.took = append(h.took, string(p))
	c.Pause()
}

func (h *taker) OnClose(c *Conn, e Closure) {
	h.closed = append(h.closed, e)
	h.echo.OnClose(c, e)
}

// take asks for the next message and waits for the turn in which it comes.
func (h *taker) take() {
	h.exec.Do(func() { h.conn.Resume() })
	h.exec.Do(func() {})
}

func (h *taker) has(t *testing.T, want ...string) {
	t.Helper()
	h.exec.Do(func() {
		if !slices.Equal(h.took, want) {
			t.Errorf("took %q, want %q", h.took, want)
		}
	})
}

func (h *taker) lives(t *testing.T) {
	t.Helper()
	h.exec.Do(func() {
		if len(h.closed) > 0 {
			t.Errorf("ended with %+v", h.closed)
		}
	})
}

// What has come before the end of the stream is delivered as the handler takes it,
// and the peer's Close counts.
func TestHalfCloseBehindMessages(t *testing.T) {
	for name, test := range map[string]struct {
		last []byte
		want Closure
	}{
		"close":         {wstest.Frame(ws.Close, true, normalClose), Closure{NormalClosure, "bye", true}},
		"no close":      {nil, Closure{Code: Abnormal}},
		"half a header": {wstest.Frame(ws.Text, true, "x")[:3], Closure{Code: Abnormal}},
		"half a frame":  {wstest.Frame(ws.Text, true, "xyz")[:8], Closure{Code: Abnormal}},
		"breach":        {wstest.Frame(3, true, ""), Closure{ProtocolError, "unknown opcode", false}},
	} {
		t.Run(name, func(t *testing.T) {
			exec, s := exchangetest.NewExecutor(t), NewServer(Options{})
			h := newTaker(exec)
			x := openOn(t, exec, s, h)
			x.Send(slices.Concat(wstest.Frame(ws.Text, true, "a"), wstest.Frame(ws.Text, true, "b"), wstest.Frame(ws.Text, true, "c"), test.last))
			x.SendEnd(nil)
			h.has(t, "a")
			h.take()
			h.has(t, "a", "b")
			h.take()
			h.has(t, "a", "b", "c")
			h.take()
			h.expect(t, test.want)
			if got := x.Wait(); got.Err != nil {
				t.Errorf("ended with %v", got.Err)
			}
		})
	}
}

// So is what is still to be unpacked.
func TestHalfCloseWhileUnpacking(t *testing.T) {
	const size = 4 * turnWork
	exec, s, e := exchangetest.NewExecutor(t), NewServer(Options{}), newEcho()
	got := 0
	x := openOn(t, exec, s, teller{e, func(_ *Conn, p []byte) { got += len(p) }})
	x.Send(deflated(strings.Repeat("x", size)))
	x.SendEnd(nil)
	e.expect(t, Closure{Code: Abnormal})
	exec.Do(func() {
		if got != size {
			t.Errorf("got %d bytes", got)
		}
	})
}

// An application that closes does not want the rest. The peer's Close may be in it.
func TestHalfCloseIsAnswered(t *testing.T) {
	exec, s := exchangetest.NewExecutor(t), NewServer(Options{})
	h := newTaker(exec)
	x := openOn(t, exec, s, h)
	x.Send(slices.Concat(wstest.Frame(ws.Text, true, "a"), wstest.Frame(ws.Text, true, "b"), wstest.Frame(ws.Close, true, normalClose)))
	x.SendEnd(nil)
	exec.Do(func() { h.conn.Close(4000, "") })
	h.expect(t, Closure{NormalClosure, "bye", true})
	h.has(t, "a")
}

// A handler that takes no more does not keep the connection; a slow one has all the
// time that it needs.
func TestHalfCloseHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 * time.Second
		exec, s := exchangetest.NewExecutor(t), NewServer(Options{CloseTimeout: limit, PingInterval: -1})
		h := newTaker(exec)
		x := openOn(t, exec, s, h)
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprint(i))
			x.Send(wstest.Frame(ws.Text, true, want[i]))
		}
		x.SendEnd(nil)
		for range 8 {
			time.Sleep(limit / 2)
			h.take()
		}
		h.has(t, want[:9]...)
		h.lives(t)
		time.Sleep(3 * limit)
		h.expect(t, Closure{Code: Abnormal})
		if got := x.Wait(); got.Err != nil || len(got.Body) > 0 {
			t.Errorf("got %q, %v", got.Body, got.Err)
		}
	})
}

// A tunnel that is lost behind the end of its input says no more. It is noticed when
// the handler goes on, or else at the deadline.
func TestLossBehindAHalfClose(t *testing.T) {
	for name, goOn := range map[string]func(h *taker){
		"resumes": func(h *taker) { h.take() },
		"waits":   func(*taker) { time.Sleep(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exec := exchangetest.NewExecutor(t)
				s := NewServer(Options{})
				h := newTaker(exec)
				x := openOn(t, exec, s, h)
				x.Send(slices.Concat(wstest.Frame(ws.Text, true, "a"), wstest.Frame(ws.Text, true, "b")))
				x.SendEnd(nil)
				x.Cancel(io.ErrUnexpectedEOF)
				h.lives(t)
				goOn(h)
				exec.Do(func() {
					if x.Reserved() != 0 || len(h.closed) != 1 || h.closed[0].Code != Abnormal {
						t.Errorf("%d bytes are counted, ended with %+v", x.Reserved(), h.closed)
					}
				})
			})
		})
	}
}

// accepted is a Handler that keeps its Conn with the first message.
type accepted struct {
	Handler
	conn **Conn
}

func (h accepted) OnMessage(c *Conn, kind Kind, p []byte) {
	*h.conn = c
	h.Handler.OnMessage(c, kind, p)
}

// A program that receives hears of such a loss when it has taken what it has, and need
// not wait for the deadline: no time passes.
func TestSocketHearsOfALossBehindAHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exec, so := exchangetest.NewExecutor(t), &Socket{released: true}
		so.changed.L = &so.mu
		x := openOn(t, exec, NewServer(Options{}), accepted{(*socketHandler)(so), &so.conn})
		for range unreadMessages + 1 {
			x.Send(wstest.Frame(ws.Text, true, "a"))
		}
		x.SendEnd(nil)
		x.Cancel(io.ErrUnexpectedEOF)
		begin := time.Now()
		for range unreadMessages {
			if _, _, err := so.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := so.Receive(t.Context()); !errors.Is(err, asteri.ErrClosed) || time.Since(begin) > 0 {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// late is a LateHandler that does not close.
type late struct{ *echo }

func (late) OnBreach(*Conn, Closure) {}

// A peer that broke the protocol is told so, also if it has sent the end by then.
func TestHalfCloseBehindABreach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exec, s, e := exchangetest.NewExecutor(t), NewServer(Options{}), newEcho()
		x := openOn(t, exec, s, late{e})
		x.Send(wstest.Frame(3, true, ""))
		x.SendEnd(nil)
		time.Sleep(2 * settleTime)
		e.expect(t, Closure{ProtocolError, "unknown opcode", false})
		if got := frames(t, x.Wait().Body); len(got) != 1 || got[0] != "close 1002" {
			t.Errorf("got %q", got)
		}
	})
}

// The memory of what waits to be sent is given back with a tunnel that is lost behind
// the end of its input.
func TestBacklogBehindAHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exec, e := exchangetest.NewExecutor(t), newEcho()
		s := NewServer(Options{})
		x := openOn(t, exec, s, teller{e, func(c *Conn, _ []byte) { _, _ = c.Write(Binary, noise(4<<20)) }})
		x.Hold()
		x.Send(wstest.Frame(ws.Text, true, "go"))
		x.SendEnd(nil)
		e.expect(t, Closure{Code: Abnormal})
		synctest.Wait()
		if x.Reserved() == 0 {
			t.Error("nothing waits")
		}
		x.Cancel(io.ErrUnexpectedEOF)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := x.Reserved(); n != 0 {
			t.Errorf("%d bytes are counted", n)
		}
	})
}

// Over a real connection, to a program that begins to receive when all is sent.
func TestSocketTakesAllBehindAHalfClose(t *testing.T) {
	const messages = 4 * unreadMessages
	s := NewServer(Options{})
	sent, ended := make(chan struct{}), make(chan string, 1)
	h := workers.HandlerFunc(func(c *workers.Call) {
		_ = s.Serve(c, Response{}, func(so *Socket) {
			<-sent
			for n := 0; ; n++ {
				_, _, err := so.Receive(t.Context())
				var closed *CloseError
				if errors.As(err, &closed) {
					ended <- fmt.Sprintf("%d messages, code %d", n, closed.Code)
					return
				}
			}
		})
	})
	addr, _ := serve(t, asteri.Handler(workers.Sync(h, workers.Options{})))
	c := connect(t, addr)
	for i := range messages {
		c.Text(fmt.Sprint(i))
	}
	c.Close(NormalClosure, "")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	close(sent)
	c.Expect("close 1000", "end")
	if got, want := <-ended, fmt.Sprintf("%d messages, code %d", messages, NormalClosure); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
