package http1

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/loop"
)

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func post(n string, more string) string {
	return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + n + "\r\n" + more + "\r\n"
}

// fields makes a header of name, value, name, value...
func fields(pairs ...string) *asteri.Header {
	h := new(asteri.Header)
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// wantHas checks that every part occurs in s, in order.
func wantHas(t *testing.T, s string, parts ...string) {
	t.Helper()
	rest := s
	for _, p := range parts {
		i := strings.Index(rest, p)
		if i < 0 {
			t.Fatalf("no %q in\n%s", p, s)
		}
		rest = rest[i+len(p):]
	}
}

func wantLacks(t *testing.T, s string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(s, p) {
			t.Fatalf("%q in\n%s", p, s)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		alpn, head string
		want       loop.Verdict
	}{
		{"http/1.1", "", loop.Yes},
		{"http/1.0", "", loop.Yes},
		{"h2", "", loop.No},
		{"", "", loop.Maybe},
		{"", "GET / HT", loop.Yes},
		{"", "P", loop.Maybe},
		{"", "PO", loop.Yes},
		{"", "PRI * HTTP/2.0\r", loop.Maybe},
		{"", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", loop.No},
	} {
		if got := Protocol(hello).Match(tt.alpn, []byte(tt.head)); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.alpn, tt.head, got, tt.want)
		}
	}
}

func TestPipelinedRequestsWaitForTheAnswer(t *testing.T) {
	k := new(keeper)
	c := newFakeConn(k)
	c.feed([]byte("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"))
	if len(k.got) != 1 || !c.paused {
		t.Fatalf("%d requests at a time, paused %v", len(k.got), c.paused)
	}
	first := k.last(t)
	must(t, first.Respond(200, nil, []byte("one")))
	c.runPosts()
	if len(k.got) != 2 {
		t.Fatal("the second request does not follow")
	}
	must(t, k.last(t).Respond(200, nil, []byte("two")))
	wantHas(t, c.take(), "one", "two")
	if string(first.Request().Path) != "/1" {
		t.Errorf("a kept exchange has changed: %q", first.Request().Path)
	}
}

func TestPipeliningClientThatDoesNotRead(t *testing.T) {
	c := newFakeConn(hello)
	c.queued = asteri.HighWater
	c.feed([]byte(get + get))
	if n := strings.Count(c.take(), "200 OK"); n != 1 || !c.paused {
		t.Fatalf("%d answers over the high-water mark, paused %v", n, c.paused)
	}
	c.drain()
	if n := strings.Count(c.take(), "200 OK"); n != 1 {
		t.Fatalf("%d answers after the drain", n)
	}
	if c.paused && c.queued == 0 {
		c.drain()
	}
	if c.paused {
		t.Error("still paused")
	}
}

func TestExchangesAreReusedOnlyIfNobodyKeptThem(t *testing.T) {
	for _, tt := range []struct {
		name   string
		use    func(x asteri.Exchange)
		reused bool
	}{
		{"answered at once", func(asteri.Exchange) {}, true},
		{"body read", func(x asteri.Exchange) { x.ReadBody(new(bodyLog)) }, false},
		{"posted", func(x asteri.Exchange) { x.Post(func() {}) }, false},
		{"cancellable", func(x asteri.Exchange) { x.OnCancel(func(error) {}) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := new(keeper)
			c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
				k.ServeExchange(x)
				tt.use(x)
				if err := x.Respond(200, nil, nil); err != nil {
					t.Error(err)
				}
			}))
			c.feed([]byte(get))
			c.feed([]byte(get))
			if got := k.got[0] == k.got[1]; got != (tt.reused && !callback.Debug) {
				t.Errorf("reused %v", got)
			}
			if !tt.reused && k.got[0].Post(func() {}) {
				t.Error("Post after the end")
			}
		})
	}
}

func TestBodyWindow(t *testing.T) {
	k, b := new(keeper), new(bodyLog)
	c := newFakeConn(k)
	c.feed([]byte(post("100000", "")))
	c.feed(bytes.Repeat([]byte{'x'}, 100000))
	if !c.paused || len(c.kept) != 100000 {
		t.Fatalf("body is read before it is asked for: paused %v, kept %d", c.paused, len(c.kept))
	}
	x := k.last(t)
	x.ReadBody(b)
	c.runPosts()
	if len(b.body) != asteri.BodyWindow || !c.paused {
		t.Fatalf("%d bytes delivered, paused %v", len(b.body), c.paused)
	}
	x.Consumed(1000)
	c.runPosts()
	if len(b.body) != asteri.BodyWindow+1000 {
		t.Fatalf("%d bytes delivered", len(b.body))
	}
	x.Consumed(asteri.BodyWindow)
	c.runPosts()
	if len(b.body) != 100000 || b.ends != 1 {
		t.Fatalf("%d bytes delivered, ended %d times", len(b.body), b.ends)
	}
	must(t, x.Respond(200, nil, nil))
	if !c.open() {
		t.Error("the connection is closed")
	}
}

func TestReadBodyWithoutBody(t *testing.T) {
	k, b := new(keeper), new(bodyLog)
	c := newFakeConn(k)
	c.feed([]byte(get))
	k.last(t).ReadBody(b)
	if b.ends != 1 {
		t.Error("OnEnd was not called before ReadBody returned")
	}
	second := new(bodyLog)
	k.last(t).ReadBody(second)
	if len(second.errs) != 1 {
		t.Error("a second ReadBody is not refused")
	}
}

func TestUnwantedBody(t *testing.T) {
	chunk := "10000\r\n" + strings.Repeat("x", 1<<16) + "\r\n"
	for _, tt := range []struct {
		name, in     string
		says, closed bool
	}{
		{"short", post("5", "") + "12345", false, false},
		{"at the bound", post("262144", "") + strings.Repeat("x", 262144), false, false},
		{"long", post("262145", "") + strings.Repeat("x", 262145), true, true},
		{"chunked, short", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + "0\r\n\r\n", false, false},
		{"chunked, long", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 5), false, true},
		{"expected", post("5", "Expect: 100-continue\r\n"), true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newFakeConn(hello)
			c.feed([]byte(tt.in))
			out := c.take()
			if got := strings.Contains(out, "Connection: close"); got != tt.says {
				t.Errorf("says close: %v in\n%s", got, out)
			}
			if c.open() == tt.closed || tt.closed && !c.linger {
				t.Errorf("open %v, linger %v", c.open(), c.linger)
			}
			wantLacks(t, out, "100 Continue")
			if !tt.closed {
				c.feed([]byte(get))
				wantHas(t, c.take(), "200 OK")
			}
		})
	}
}

func TestFinishBeforeTheBodyEndsTheSink(t *testing.T) {
	k, b := new(keeper), new(bodyLog)
	c := newFakeConn(k)
	c.feed([]byte(post("10", "") + "123"))
	k.last(t).ReadBody(b)
	c.runPosts()
	must(t, k.last(t).Respond(200, nil, nil))
	if len(b.errs) != 1 || !errors.Is(b.errs[0], asteri.ErrClosed) {
		t.Errorf("errors %v", b.errs)
	}
	c.feed([]byte("4567890" + get))
	if len(k.got) != 2 || string(b.body) != "123" {
		t.Errorf("%d requests, body %q", len(k.got), b.body)
	}
}

func TestContinue(t *testing.T) {
	k := new(keeper)
	c := newFakeConn(k)
	c.feed([]byte(post("2", "Expect: 100-continue\r\n")))
	if c.take() != "" {
		t.Fatal("100 before anybody asked")
	}
	b := new(bodyLog)
	k.last(t).ReadBody(b)
	if got := c.take(); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("got %q", got)
	}
	c.feed([]byte("hi"))
	must(t, k.last(t).Respond(200, nil, b.body))
	wantHas(t, c.take(), "200 OK", "\r\n\r\nhi")
	if !c.open() {
		t.Error("closed")
	}
}

func TestHalfClose(t *testing.T) {
	k := new(keeper)
	c := newFakeConn(k)
	c.feed([]byte(get))
	x := k.last(t)
	var causes []error
	x.OnCancel(func(err error) { causes = append(causes, err) })
	c.feedEOF()
	if len(causes) != 1 || !errors.Is(causes[0], asteri.ErrHalfClosed) || !c.open() {
		t.Fatalf("causes %v, open %v", causes, c.open())
	}
	must(t, x.Respond(200, nil, []byte("still")))
	wantHas(t, c.take(), "Connection: close", "still")
	if !c.closed || c.linger {
		t.Errorf("closed %v, linger %v", c.closed, c.linger)
	}
}

func TestHalfCloseBehindPipelinedRequests(t *testing.T) {
	k := new(keeper)
	c := newFakeConn(k)
	c.feed([]byte(get + get))
	c.feedEOF()
	for i := range 2 {
		if len(k.got) != i+1 {
			t.Fatalf("%d requests after %d answers", len(k.got), i)
		}
		must(t, k.last(t).Respond(200, nil, nil))
		c.runPosts()
	}
	if !c.closed {
		t.Error("not closed after the last answer")
	}
}

func TestLostClient(t *testing.T) {
	for _, tt := range []struct{ cause, want error }{
		{loop.PeerClosed, asteri.ErrClientGone},
		{loop.WriteStalled, asteri.ErrClientGone},
		{loop.DrainExpired, asteri.ErrStopping},
	} {
		k, b := new(keeper), new(bodyLog)
		c := newFakeConn(k)
		c.feed([]byte(post("5", "") + "12"))
		x := k.last(t)
		x.ReadBody(b)
		var causes []error
		x.OnCancel(func(err error) { causes = append(causes, err) })
		c.feed(nil)
		c.aborted = tt.cause
		c.session.OnClose(tt.cause)
		if len(causes) != 1 || !errors.Is(causes[0], tt.want) {
			t.Errorf("%v: causes %v", tt.cause, causes)
		}
		if len(b.errs) != 1 || !errors.Is(b.errs[0], tt.want) {
			t.Errorf("%v: body errors %v", tt.cause, b.errs)
		}
		if err := x.Respond(200, nil, nil); !errors.Is(err, asteri.ErrClosed) {
			t.Errorf("Respond: %v", err)
		}
		if x.Post(func() {}) {
			t.Error("Post after the end")
		}
	}
}

func TestPanics(t *testing.T) {
	var log bytes.Buffer
	logger := asteri.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))
	t.Run("before the first byte", func(t *testing.T) {
		c := newFakeConn(asteri.HandlerFunc(func(asteri.Exchange) { panic("oh no") }), logger)
		c.feed([]byte(get + get))
		out := c.take()
		wantHas(t, out, "HTTP/1.1 500 ", "Connection: close")
		wantLacks(t, out, "oh no")
		wantHas(t, log.String(), "oh no", "session_test.go")
		if !c.closed || strings.Count(out, "500 ") != 2 { // status line and text
			t.Errorf("closed %v: %s", c.closed, out)
		}
	})
	t.Run("after the first byte", func(t *testing.T) {
		c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
			must(t, x.Start(200, nil))
			panic("oh no")
		}), logger)
		c.feed([]byte(get))
		var p *asteri.PanicError
		if !errors.As(c.aborted, &p) || p.Value != "oh no" {
			t.Errorf("aborted with %v", c.aborted)
		}
	})
	t.Run("in a sink", func(t *testing.T) {
		c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) { x.ReadBody(panicSink{}) }), logger)
		c.feed([]byte(post("2", "") + "hi"))
		wantHas(t, c.take(), "HTTP/1.1 500 ")
	})
	t.Run("nil", func(t *testing.T) {
		c := newFakeConn(asteri.HandlerFunc(func(asteri.Exchange) { panic(nil) }), logger)
		c.feed([]byte(get))
		wantHas(t, c.take(), "HTTP/1.1 500 ")
	})
}

type panicSink struct{}

func (panicSink) OnBody([]byte)        { panic("sink") }
func (panicSink) OnEnd(*asteri.Header) {}
func (panicSink) OnError(error)        {}

func TestDeadlines(t *testing.T) {
	timeouts := asteri.WithTimeouts(asteri.Timeouts{
		Header: time.Second, Body: 2 * time.Second, KeepAlive: 3 * time.Second,
	})
	k := new(keeper)
	start := func(in string) *fakeConn {
		c := newFakeConn(k, timeouts)
		c.feed([]byte(in))
		return c
	}
	t.Run("first request", func(t *testing.T) {
		c := start("")
		c.expire()
		if !c.closed || c.take() != "" {
			t.Error("a silent client is not just dropped")
		}
	})
	t.Run("head", func(t *testing.T) {
		c := start("GET / HT")
		c.timers[readTimer] = 1
		c.feed([]byte("TP"))
		if c.timers[readTimer] != 1 {
			t.Error("the deadline of the head was moved by another byte of it")
		}
		c.expire()
		wantHas(t, c.take(), "HTTP/1.1 408 ", "Connection: close")
	})
	t.Run("second head", func(t *testing.T) {
		c := newFakeConn(hello, timeouts)
		c.feed([]byte(get + "G"))
		if c.timers[readTimer] != time.Second {
			t.Errorf("timer %v", c.timers[readTimer])
		}
	})
	t.Run("keep-alive", func(t *testing.T) {
		c := newFakeConn(hello, timeouts)
		c.feed([]byte(get))
		if c.timers[readTimer] != 3*time.Second {
			t.Errorf("timer %v", c.timers[readTimer])
		}
		c.timers[readTimer] = 1
		c.feed([]byte("\r\n"))
		if c.timers[readTimer] != 1 {
			t.Error("an empty line moves the deadline")
		}
		c.take()
		c.expire()
		if !c.closed || c.take() != "" {
			t.Error("an idle connection is not just closed")
		}
	})
	t.Run("keep-alive behind a body that was read", func(t *testing.T) {
		c := start(post("2", "") + "h")
		x := k.last(t)
		x.ReadBody(endFunc(func() { must(t, x.Respond(200, nil, nil)) }))
		c.runPosts()
		c.feed([]byte("i"))
		if c.timers[readTimer] != 3*time.Second {
			t.Errorf("timer %v", c.timers[readTimer])
		}
	})
	t.Run("keep-alive behind a body that was dropped", func(t *testing.T) {
		c := newFakeConn(hello, timeouts)
		c.feed([]byte(post("2", "") + "h"))
		c.feed([]byte("i"))
		if c.timers[readTimer] != 3*time.Second {
			t.Errorf("timer %v", c.timers[readTimer])
		}
	})
	t.Run("none while answering", func(t *testing.T) {
		c := start(get)
		c.expire()
		if !c.open() {
			t.Error("closed while the handler works")
		}
	})
	t.Run("none while nobody reads the body", func(t *testing.T) {
		c := start(post("5", ""))
		c.expire()
		if !c.open() {
			t.Error("closed while nobody asks for the body")
		}
	})
	t.Run("body", func(t *testing.T) {
		c := start(post("5", "") + "1")
		b := new(bodyLog)
		k.last(t).ReadBody(b)
		c.runPosts()
		if c.timers[readTimer] != 2*time.Second {
			t.Fatalf("timer %v", c.timers[readTimer])
		}
		c.expire()
		wantHas(t, c.take(), "HTTP/1.1 408 ")
		var refused *asteri.StatusError
		if len(b.errs) != 1 || !errors.As(b.errs[0], &refused) || refused.Code != 408 {
			t.Errorf("errors %v", b.errs)
		}
	})
	t.Run("body after the answer has begun", func(t *testing.T) {
		c := start(post("5", "") + "1")
		b := new(bodyLog)
		x := k.last(t)
		must(t, x.Start(200, nil))
		x.ReadBody(b)
		c.runPosts()
		c.expire()
		if len(b.errs) != 1 || !c.open() {
			t.Fatalf("errors %v, open %v", b.errs, c.open())
		}
		_, err := x.Write([]byte("late"))
		must(t, err)
		must(t, x.Finish(nil))
		wantHas(t, c.take(), "late", "0\r\n\r\n")
		if !c.closed {
			t.Error("not closed")
		}
	})
	t.Run("body rate", func(t *testing.T) {
		c := start(post("500", "") + strings.Repeat("x", 99))
		k.last(t).ReadBody(new(bodyLog))
		c.runPosts()
		c.pass(6 * time.Second) // 240 B/s want 1440 bytes by now
		c.feed([]byte("y"))
		wantHas(t, c.take(), "HTTP/1.1 408 ")
	})
	t.Run("fast enough", func(t *testing.T) {
		c := start(post("5000", "") + strings.Repeat("x", 1500))
		k.last(t).ReadBody(new(bodyLog))
		c.runPosts()
		c.pass(6 * time.Second)
		c.feed([]byte("y"))
		if !c.open() {
			t.Error("closed")
		}
	})
	t.Run("discarded body", func(t *testing.T) {
		c := newFakeConn(hello, timeouts)
		c.feed([]byte(post("5", "")))
		if c.timers[readTimer] != 2*time.Second {
			t.Fatalf("timer %v", c.timers[readTimer])
		}
		c.expire()
		if !c.closed {
			t.Error("open")
		}
	})
	t.Run("switched off", func(t *testing.T) {
		c := newFakeConn(hello, asteri.WithTimeouts(asteri.Timeouts{Header: -1, Body: -1, KeepAlive: -1}))
		c.feed([]byte(get))
		if c.timers[readTimer] != 0 {
			t.Errorf("timer %v", c.timers[readTimer])
		}
	})
}

// endFunc is a sink that waits for the end of the body.
type endFunc func()

func (endFunc) OnBody([]byte)          {}
func (f endFunc) OnEnd(*asteri.Header) { f() }
func (endFunc) OnError(error)          {}

func TestShutdown(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		c := newFakeConn(hello)
		c.feed([]byte(get))
		c.session.OnShutdown()
		if !c.closed {
			t.Error("open")
		}
	})
	t.Run("in flight", func(t *testing.T) {
		k := new(keeper)
		c := newFakeConn(k)
		c.feed([]byte(get))
		c.session.OnShutdown()
		if c.closed {
			t.Fatal("closed before the answer")
		}
		must(t, k.last(t).Respond(200, nil, nil))
		wantHas(t, c.take(), "Connection: close")
		if !c.closed {
			t.Error("open")
		}
	})
	t.Run("within an answer", func(t *testing.T) {
		k := new(keeper)
		c := newFakeConn(k)
		c.feed([]byte(get))
		must(t, k.last(t).Start(200, nil))
		c.session.OnShutdown()
		must(t, k.last(t).Finish(nil))
		wantHas(t, c.take(), "0\r\n\r\n")
		if !c.closed {
			t.Error("open")
		}
	})
	t.Run("within a head", func(t *testing.T) {
		c := newFakeConn(hello)
		c.feed([]byte(get[:10]))
		c.session.OnShutdown()
		if c.closed {
			t.Fatal("closed within a head")
		}
		c.feed([]byte(get[10:]))
		wantHas(t, c.take(), "200 OK", "Connection: close")
		if !c.closed {
			t.Error("open")
		}
	})
}

// records is an Observer that remembers.
type records struct {
	got   []asteri.Record
	paths []string
}

func (r *records) ExchangeDone(rec *asteri.Record) {
	r.got = append(r.got, *rec)
	path := ""
	if rec.Request != nil {
		path = string(rec.Request.Path)
	}
	r.paths = append(r.paths, path)
}

func TestObserver(t *testing.T) {
	r := new(records)
	k := new(keeper)
	begin := func(in string) *fakeConn {
		c := newFakeConn(k, asteri.WithObserver(r), limitsOfCorpus)
		c.feed([]byte(in))
		return c
	}
	last := func() asteri.Record { return r.got[len(r.got)-1] }

	c := begin("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	must(t, k.last(t).Start(201, fields("X-A", "1")))
	_, err := k.last(t).Write([]byte("12345"))
	must(t, err)
	must(t, k.last(t).Finish(nil))
	if rec := last(); rec.Status != 201 || rec.BytesOut != 5 || rec.BytesSent != int64(len(c.out)) ||
		rec.Err != nil || string(rec.Header.Get("X-A")) != "1" || r.paths[0] != "/a" || rec.Peer.Network != "tcp" {
		t.Errorf("answered: %+v", rec)
	}

	c = begin("GET /a HTTP/9.9\r\nHost: a\r\n\r\n")
	var refused *asteri.StatusError
	if rec := last(); rec.Request != nil || rec.Status != 505 || rec.BytesSent != int64(len(c.out)) || !errors.As(rec.Err, &refused) {
		t.Errorf("refused: %+v", rec)
	}

	begin("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n")
	if rec := last(); rec.Status != 413 || r.paths[len(r.paths)-1] != "/big" || !errors.As(rec.Err, &refused) {
		t.Errorf("too long: %+v", rec)
	}

	c = begin("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123")
	k.last(t).ReadBody(new(bodyLog))
	c.runPosts()
	c.session.OnClose(loop.PeerClosed)
	if rec := last(); rec.Status != 0 || rec.BytesIn != 3 || !errors.Is(rec.Err, asteri.ErrClientGone) || rec.Header != nil {
		t.Errorf("lost: %+v", rec)
	}
	if len(r.got) != 4 {
		t.Errorf("%d records", len(r.got))
	}
}

func TestDrainTellsTheWriter(t *testing.T) {
	k := new(keeper)
	c := newFakeConn(k)
	c.feed([]byte(get))
	x := k.last(t)
	must(t, x.Start(200, nil))
	c.queued = asteri.HighWater
	queued, err := x.Write([]byte("x"))
	must(t, err)
	if queued < asteri.HighWater {
		t.Fatalf("queued %d", queued)
	}
	drained := 0
	x.OnDrain(func() { drained++ })
	if drained != 0 {
		t.Fatal("drained at once")
	}
	c.drain()
	c.drain()
	if drained != 1 {
		t.Errorf("drained %d times", drained)
	}
}

func TestSendFile(t *testing.T) {
	name := t.TempDir() + "/f"
	must(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	open := func() *os.File {
		f, err := os.Open(name)
		must(t, err)
		return f
	}
	k := new(keeper)
	for _, tt := range []struct {
		request string
		h       *asteri.Header
		want    string
	}{
		{get, fields("Content-Length", "5"), "\r\n\r\n23456"},
		{get, nil, "\r\n\r\n5\r\n23456\r\n0\r\n\r\n"},
		{"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", fields("Content-Length", "5"), "\r\n\r\n"},
	} {
		c := newFakeConn(k)
		c.feed([]byte(tt.request))
		x := k.last(t)
		must(t, x.Start(200, tt.h))
		must(t, x.SendFile(open(), 2, 5))
		must(t, x.Finish(nil))
		if out := c.take(); !strings.HasSuffix(out, tt.want) {
			t.Errorf("got %q", out)
		}
	}
	f := open()
	if err := k.last(t).SendFile(open(), 0, -1); err == nil {
		t.Error("a negative length is taken")
	}
	if err := k.last(t).SendFile(f, 0, 1); !errors.Is(err, asteri.ErrClosed) {
		t.Error(err)
	}
	if _, err := f.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Error("the file was not closed")
	}
}
