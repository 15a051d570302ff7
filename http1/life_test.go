package http1

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// life drives one connection by a script of bytes: each is an event of the
// client or the loop, or a call of the handler on its exchange, in any order,
// sensible or not.
type life struct {
	t       *testing.T
	script  []byte
	conn    *fakeConn
	current *livedExchange
	all     []*livedExchange
	records records
	depth   int
}

type livedExchange struct {
	life *life
	x    asteri.Exchange
	sink bodyLog
	read bool
}

func (l *life) next() (op byte, ok bool) {
	if len(l.script) == 0 {
		return 0, false
	}
	op, l.script = l.script[0], l.script[1:]
	return op, true
}

func (l *life) ServeExchange(x asteri.Exchange) {
	e := &livedExchange{life: l, x: x}
	x.OnCancel(func(error) { e.act() }) // keeps x from being used again
	l.current = e
	l.all = append(l.all, e)
	e.act()
}

// act makes some calls on the exchange, from wherever the handler is called.
func (e *livedExchange) act() {
	l := e.life
	if l.depth++; l.depth < 4 {
		if n, ok := l.next(); ok {
			for range n % 4 {
				e.step()
			}
		}
	}
	l.depth--
}

func (e *livedExchange) step() {
	op, _ := e.life.next()
	x := e.x
	switch op % 14 {
	case 0:
		_ = x.Respond(200, nil, []byte("responded"))
	case 1:
		_ = x.Start(200, nil)
	case 2:
		_ = x.Start(200, fields("Content-Length", "5"))
	case 3:
		_, _ = x.Write([]byte("abc"))
	case 4:
		_, _ = x.Write(bytes.Repeat([]byte{'x'}, 10000))
	case 5:
		_ = x.Finish(nil)
	case 6:
		x.Abort(&asteri.StatusError{Code: 503})
	case 7:
		x.Abort(errors.New("some reason"))
	case 8, 9:
		if !e.read {
			e.read = true
			x.ReadBody(e)
		}
	case 10:
		x.Consumed(int(op))
	case 11:
		x.OnDrain(e.act)
	case 12:
		_ = x.Inform(103, nil)
	case 13:
		if tunnel, err := x.Upgrade(fields("Upgrade", "echo")); err == nil {
			tunnel.Close()
		}
	}
}

func (e *livedExchange) OnBody(p []byte) {
	e.sink.OnBody(p)
	e.act()
}

func (e *livedExchange) OnEnd(trailer *asteri.Header) {
	e.sink.OnEnd(trailer)
	e.act()
}

func (e *livedExchange) OnError(err error) {
	e.sink.OnError(err)
	e.act()
}

var lifeInputs = []string{
	get,
	"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	post("5", "") + "12345",
	post("5", "") + "12",
	"345",
	post("5", "Expect: 100-continue\r\n"),
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	"3\r\nabc\r\n",
	"0\r\n\r\n",
	"0\r\nX: y\r\n\r\n",
	"\r\n",
	upgrade,
	"GET / HT",
	"TP/1.1\r\nHost: a\r\n\r\n",
}

func (l *life) event(op byte) {
	c := l.conn
	switch {
	case int(op) < 8*len(lifeInputs):
		in := lifeInputs[int(op)%len(lifeInputs)]
		if int(op) >= 4*len(lifeInputs) {
			for i := range in {
				c.feed([]byte{in[i]})
			}
			return
		}
		c.feed([]byte(in))
	case op < 140:
		c.feedEOF()
	case op < 150:
		c.queued = asteri.HighWater
	case op < 160:
		c.queued = 0
		if c.open() {
			c.session.OnDrain()
		}
	case op < 170:
		c.expire()
	case op < 175:
		if c.open() {
			c.session.OnShutdown()
		}
	default:
		if l.current != nil {
			l.current.step()
		}
	}
	c.offer()
}

// FuzzLife: whatever client and handler do, every sink has exactly one last
// call, every exchange one record, every byte sent is in a record, and a
// connection that is closed without a reset has got whole responses.
func FuzzLife(f *testing.F) {
	f.Add([]byte{0, 1, 0})
	f.Add([]byte{3, 2, 8, 0, 200, 0, 8, 1, 8})
	f.Add([]byte{4, 1, 8, 5, 0, 0, 200, 0, 136})
	f.Add([]byte{7, 3, 1, 8, 3, 8, 10, 9, 200, 5})
	f.Add([]byte{12, 1, 13, 3})
	f.Add([]byte{0, 0, 0, 136, 200, 0, 200, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		var log bytes.Buffer
		l := &life{t: t, script: script}
		l.conn = newFakeConn(l, asteri.WithObserver(&l.records), asteri.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		for {
			op, ok := l.next()
			if !ok || !l.conn.open() {
				break
			}
			l.event(op)
		}
		l.script = nil
		session, _ := l.conn.session.(*session)
		if l.conn.closed && l.conn.aborted == nil {
			var requests []*seen
			for _, e := range l.all {
				requests = append(requests, &seen{req: *e.x.Request()})
			}
			statuses(t, l.conn.out, requests)
		}
		l.conn.aborted = errors.Join(l.conn.aborted, loop.PeerClosed)
		l.conn.session.OnClose(loop.PeerClosed)
		l.check(session, log.String())
	})
}

func (l *life) check(s *session, log string) {
	t := l.t
	if strings.Contains(log, "panicked") {
		t.Fatal(log)
	}
	for i, e := range l.all {
		if n := e.sink.ends + len(e.sink.errs); e.read && n != 1 || !e.read && n != 0 {
			t.Fatalf("exchange %d: read %v, ended %d times, errors %v", i, e.read, e.sink.ends, e.sink.errs)
		}
		if err := e.x.Start(200, nil); !errors.Is(err, asteri.ErrClosed) {
			t.Fatalf("exchange %d lives on: %v", i, err)
		}
	}
	exchanges := 0
	for _, r := range l.records.got {
		if r.Request != nil {
			exchanges++
		}
	}
	if exchanges != len(l.all) {
		t.Fatalf("%d exchanges, %d records", len(l.all), exchanges)
	}
	if s != nil && s.x != nil {
		t.Fatal("the session holds on to its exchange")
	}
	var sent int64
	for _, r := range l.records.got {
		sent += r.BytesSent
	}
	if sent != int64(len(l.conn.out)) {
		t.Fatalf("%d bytes sent, %d recorded: %q", len(l.conn.out), sent, l.conn.out)
	}
}
