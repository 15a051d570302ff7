package websocket

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
	"github.com/asteri/asteri-loop/loop"
)

// deflated returns a masked frame with message compressed, as a client sends it.
func deflated(message string) []byte {
	agreed, _ := CompressionOn.Negotiate(func(yield func([]byte) bool) { yield([]byte("permessage-deflate")) })
	return ws.AppendMasked(nil, ws.Text, true, true, [4]byte{5, 6, 7, 8}, agreed.Deflater().Append(nil, []byte(message), true))
}

// open makes a WebSocket on an executor.
func openOn(t *testing.T, exec *exchangetest.Executor, s *Server, h Handler) *exchangetest.Exchange {
	t.Helper()
	header := new(asteri.Header)
	for _, f := range [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"},
		{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, {"Sec-WebSocket-Extensions", "permessage-deflate"},
	} {
		header.Add(f[0], f[1])
	}
	x := exchangetest.New(t, exec, asteri.Request{Header: *header})
	x.Serve(asteri.HandlerFunc(func(x asteri.Exchange) {
		if _, err := s.Accept(x, h, Response{}); err != nil {
			t.Error(err)
		}
	}))
	return x
}

// normalClose is the payload of a Close.
const normalClose = "\x03\xe8bye"

// frames reads what a client got.
func frames(t *testing.T, p []byte) (events []string) {
	t.Helper()
	agreed, _ := CompressionOn.Negotiate(func(yield func([]byte) bool) { yield([]byte("permessage-deflate")) })
	d := ws.Decoder{Limit: 64 << 20, Client: true, Inflater: agreed.Inflater()}
	for len(p) > 0 || d.Unpacking() {
		n, ev, err := d.Next(p)
		if err != nil {
			t.Fatal(err)
		}
		p = p[n:]
		switch ev.Op {
		case ws.Continuation:
		case ws.Close:
			code, _, _ := ws.ParseClose(ev.Data)
			events = append(events, fmt.Sprintf("close %d", code))
		default:
			events = append(events, string(ev.Data))
		}
	}
	return events
}

// teller calls a function with each message.
type teller struct {
	*echo
	tell func(c *Conn, p []byte)
}

func (h teller) OnMessage(c *Conn, _ Kind, p []byte) { h.tell(c, p) }

// While a large message is unpacked, and while another one is compressed, a neighbour
// on the same executor is served in every turn; what comes behind the message, and
// what is written behind it, keeps its place, but for pings.
func TestLargeMessagesTakeTurns(t *testing.T) {
	const size = 16 << 20
	exec, s := exchangetest.NewExecutor(t), NewServer(Options{})
	large := strings.Repeat("0123456789abcdef", size/16)
	var served, unpacked, sent, turns int
	neighbour := openOn(t, exec, s, teller{newEcho(), func(*Conn, []byte) { served++ }})
	var order []string
	e := newEcho()
	done := make(chan struct{})
	big := openOn(t, exec, s, teller{e, func(c *Conn, p []byte) {
		if len(p) < size {
			order = append(order, string(p))
			return
		}
		order = append(order, "large")
		unpacked = served
		if queued, err := c.Write(Text, p); err != nil || queued < len(p) {
			t.Errorf("%d bytes are queued, %v", queued, err)
		}
		if _, err := c.Write(Text, []byte("behind")); err != nil {
			t.Error(err)
		}
		c.OnDrain(func() {
			sent = served - unpacked
			c.Close(NormalClosure, "")
			close(done)
		})
	}})
	frame := wstest.Frame(ws.Text, true, "neighbour")
	var turn func()
	turn = func() {
		neighbour.SendHere(frame)
		if turns++; turns%50 == 0 && unpacked > 0 {
			big.SendHere(wstest.Frame(ws.Ping, true, "ping"))
		}
		select {
		case <-done:
		default:
			exec.Post(turn)
		}
	}
	exec.Post(turn)
	exec.Do(func() {
		served = 0
		big.SendHere(deflated(large))
		big.SendHere(deflated("after"))
		if len(order) > 0 {
			t.Errorf("delivered in the turn in which it came: %d messages", len(order))
		}
	})
	<-done
	if least := size/turnWork - 1; unpacked < least {
		t.Errorf("while one was unpacked, the neighbour was served %d times, want %d", unpacked, least)
	}
	if least := size/turnPacked - 2; sent < least {
		t.Errorf("while one was compressed, the neighbour was served %d times, want %d", sent, least)
	}
	exec.Do(func() {
		if got := strings.Join(order, " "); got != "large after" {
			t.Errorf("came as %q", got)
		}
	})
	got := frames(t, big.Content())
	between := 0
	for ; len(got) > 0 && got[0] == "ping"; between++ {
		got = got[1:]
	}
	if between == 0 || len(got) != 3 || got[0] != large || got[1] != "behind" || got[2] != "close 1000" {
		t.Errorf("got %d answers to pings, then %d messages", between, len(got))
	}
}

// noise is what does not become smaller.
func noise(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(p)
	return p
}

// The backlog of a peer that does not read waits, is counted, and is given up with
// the connection.
func TestBacklogWaitsForThePeer(t *testing.T) {
	exec := exchangetest.NewExecutor(t)
	s := NewServer(Options{})
	e := newEcho()
	var conn *Conn
	drained := 0
	x := openOn(t, exec, s, teller{e, func(c *Conn, _ []byte) {
		conn = c
		if _, err := c.Write(Binary, noise(4<<20)); err != nil {
			t.Error(err)
		}
		c.OnDrain(func() { drained++ })
	}})
	x.Hold()
	x.Send(wstest.Frame(ws.Text, true, "go"))
	settle := func() {
		last := -1
		exchangetest.Eventually(t, "the connection waits", func() bool {
			now := x.Unsent()
			defer func() { last = now }()
			return now == last && now >= asteri.HighWater
		})
	}
	settle()
	exec.Do(func() {
		if conn.backlog.size() == 0 || x.Reserved() < int64(conn.backlog.size()) || drained != 0 {
			t.Errorf("%d bytes wait, %d are counted, drained %d times", conn.backlog.size(), x.Reserved(), drained)
		}
	})
	if x.Unsent() > asteri.HighWater+2*turnPacked {
		t.Errorf("%d bytes are queued below", x.Unsent())
	}
	x.Release()
	settle()
	exec.Do(func() { conn.Abort(errors.New("as asked")) })
	exec.Do(func() {
		if x.Reserved() != 0 || conn.backlog != nil || drained != 0 {
			t.Errorf("%d bytes are counted, drained %d times", x.Reserved(), drained)
		}
	})
	e.expect(t, Closure{Code: Abnormal})
}

// A connection that the peer closes while a message is being compressed sends the
// rest of it first.
func TestCloseWaitsForTheBacklog(t *testing.T) {
	exec, s, e := exchangetest.NewExecutor(t), NewServer(Options{}), newEcho()
	large := strings.Repeat("large ", 1<<18)
	x := openOn(t, exec, s, teller{e, func(c *Conn, _ []byte) { _, _ = c.Write(Text, []byte(large)) }})
	exec.Do(func() {
		x.SendHere(wstest.Frame(ws.Text, true, "go"))
		x.SendHere(wstest.Frame(ws.Close, true, "\x03\xe8"))
	})
	e.expect(t, Closure{Code: NormalClosure, Clean: true})
	if got := frames(t, x.Wait().Body); len(got) != 2 || got[0] != large || got[1] != "close 1000" {
		t.Errorf("got %d messages", len(got))
	}
	// One that reads no more is given up.
	s = NewServer(Options{CloseTimeout: slotTime})
	x = openOn(t, exec, s, teller{e, func(c *Conn, _ []byte) { _, _ = c.Write(Binary, noise(4<<20)) }})
	x.Hold()
	exec.Do(func() {
		x.SendHere(wstest.Frame(ws.Text, true, "go"))
		x.SendHere(wstest.Frame(ws.Close, true, "\x03\xe8"))
	})
	e.expect(t, Closure{Code: NormalClosure, Clean: true})
	if got := x.Wait(); !errors.Is(got.Err, errStalled) || s.Stats().Stalled != 1 {
		t.Errorf("ended with %v", got.Err)
	}
}

// Over a real connection: a loop makes turns while a large message is unpacked.
func TestLoopTurnsWhileUnpacking(t *testing.T) {
	const size = 16 << 20
	s := NewServer(Options{})
	turns := make(chan int, 1)
	h := &turnCounter{echo: newEcho(), turns: turns, size: size}
	addr, _ := serve(t, asteri.HandlerFunc(func(x asteri.Exchange) {
		h.loop = x.Home().(*loop.Loop)
		_, _ = s.Accept(x, h, Response{})
	}))
	c := connect(t, addr, "Sec-WebSocket-Extensions: permessage-deflate")
	c.Write(append(wstest.Frame(ws.Text, true, "begin"), deflated(strings.Repeat("x", size))...))
	if got := <-turns; got < size/turnWork-1 {
		t.Errorf("the loop made %d turns", got)
	}
}

// turnCounter counts the turns of its loop from "begin" to a large message.
type turnCounter struct {
	*echo
	loop    *loop.Loop
	size, n int
	over    bool
	turns   chan int
}

func (h *turnCounter) OnMessage(_ *Conn, _ Kind, p []byte) {
	if len(p) == h.size {
		h.over = true
		h.turns <- h.n
		return
	}
	h.loop.Post(h.count)
}

func (h *turnCounter) count() {
	if h.n++; !h.over {
		h.loop.Post(h.count)
	}
}
