package workers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// model is one that runs a Handler.
type model struct {
	name    string
	streams bool // a handler runs before the request body is complete
	make    func(h Handler, o Options) asteri.Handler
}

var models = []model{
	{"sync", false, func(h Handler, o Options) asteri.Handler { return Sync(h, o) }},
	{"gthread", false, func(h Handler, o Options) asteri.Handler { return GThread(h, o) }},
	{"gevent", true, func(h Handler, o Options) asteri.Handler { return Gevent(h, o) }},
	{"asgi", true, func(h Handler, o Options) asteri.Handler { return ASGI(h, o) }},
	{"gtornado", true, func(h Handler, o Options) asteri.Handler { return GTornado(h, o) }},
}

// eachModel runs test under every model.
func eachModel(t *testing.T, test func(t *testing.T, m model)) {
	for _, m := range models {
		t.Run(m.name, func(t *testing.T) { test(t, m) })
	}
}

// run makes a handler of h, with room for two calls at least.
func (m model) run(t *testing.T, h HandlerFunc) asteri.Handler {
	handler := m.make(h, Options{Workers: 2, Threads: 2})
	if c, ok := handler.(io.Closer); ok {
		t.Cleanup(func() { c.Close() })
	}
	return handler
}

func TestRespond(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		h := new(asteri.Header)
		h.Add("Content-Type", "text/plain")
		got := exchangetest.Get(t, exchangetest.NewExecutor(t), "/").Answer(m.run(t, func(c *Call) {
			if err := c.Respond(201, h, []byte("hello")); err != nil {
				t.Error(err)
			}
		}))
		if got.Status != 201 || string(got.Body) != "hello" || string(got.Header.Get("content-length")) != "5" || got.Err != nil {
			t.Errorf("got %d %q %v", got.Status, got.Body, got.Err)
		}
	})
}

func TestEchoKeepsWindowAndWaterMark(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		e := exchangetest.NewExecutor(t)
		body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
		x := exchangetest.New(t, e, asteri.Request{Method: "POST", ContentLength: int64(len(body))})
		x.Hold()
		x.Serve(m.make(HandlerFunc(func(c *Call) {
			if err := c.Start(200, nil); err != nil {
				t.Error(err)
			}
			if n, err := io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}); err != nil || n != int64(len(body)) {
				t.Errorf("copied %d: %v", n, err)
			}
		}), Options{ResponseSpoolMax: -1}))
		x.Send(body)
		x.SendEnd(nil)
		for !x.Ended() {
			exchangetest.Eventually(t, "the writer stops at the high-water mark", func() bool {
				return x.Unsent() >= asteri.HighWater || x.Ended()
			})
			if n := x.Unsent(); n > asteri.HighWater+writeChunk {
				t.Fatalf("%d bytes queued", n)
			}
			x.Release()
		}
		if got := x.Wait(); !bytes.Equal(got.Body, body) || got.Err != nil {
			t.Errorf("%d bytes came back, %v", len(got.Body), got.Err)
		}
	})
}

func TestTrailersBothWays(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		x := exchangetest.New(t, exchangetest.NewExecutor(t), asteri.Request{Method: "POST", ContentLength: -1})
		sum := new(asteri.Header)
		sum.Add("Sum", "1")
		x.Serve(m.run(t, func(c *Call) {
			if _, err := io.ReadAll(c); err != nil {
				t.Error(err)
			}
			_ = c.Start(200, nil)
			_ = c.Finish(c.Trailer())
		}))
		x.Send([]byte("x"))
		x.SendEnd(sum)
		if got := x.Wait(); string(got.Trailer.Get("sum")) != "1" {
			t.Errorf("trailer %v", got.Trailer)
		}
	})
}

func TestUnfinished(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		for _, c := range []struct {
			name   string
			h      HandlerFunc
			status int
			err    bool
		}{
			{"nothing", func(*Call) {}, 500, false},
			{"started", func(c *Call) { _ = c.Start(204, nil) }, 204, false},
			{"panic", func(*Call) { panic("boom") }, 500, true},
			{"panic after start", func(c *Call) { _ = c.Start(200, nil); panic("boom") }, 200, true},
			{"bad field", func(c *Call) {
				h := new(asteri.Header)
				h.Add("A", "b\r\nc: d")
				_ = c.Respond(200, h, nil)
			}, 500, true},
			{"short", func(c *Call) {
				h := new(asteri.Header)
				h.AddInt("Content-Length", 5)
				_ = c.Start(200, h)
				_, _ = c.Write([]byte("abc"))
			}, 200, true},
		} {
			t.Run(c.name, func(t *testing.T) {
				got := exchangetest.Get(t, exchangetest.NewExecutor(t), "/").Answer(m.run(t, c.h))
				if got.Status != c.status {
					t.Errorf("status %d, want %d", got.Status, c.status)
				}
				if c.err && c.name != "bad field" && got.Err == nil {
					t.Error("ended cleanly")
				}
			})
		}
	})
}

func TestPanicIsTold(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		got := exchangetest.Get(t, exchangetest.NewExecutor(t), "/").Answer(m.run(t, func(*Call) { panicsHere() }))
		var p *asteri.PanicError
		if !errors.As(got.Err, &p) || p.Value != "here" || !strings.Contains(string(p.Stack), "panicsHere") {
			t.Errorf("got %v", got.Err)
		}
	})
}

func panicsHere() { panic("here") }

func TestGoexit(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		e := exchangetest.NewExecutor(t)
		var exit atomic.Bool
		h := m.run(t, func(c *Call) {
			if exit.Load() {
				runtime.Goexit()
			}
			_ = c.Respond(200, nil, nil)
		})
		exit.Store(true)
		for range 5 { // more than there are workers
			var p *asteri.PanicError
			if got := exchangetest.Get(t, e, "/").Answer(h); got.Status != 500 || !errors.As(got.Err, &p) || p.Value != nil {
				t.Errorf("got %d %v", got.Status, got.Err)
			}
		}
		exit.Store(false)
		if got := exchangetest.Get(t, e, "/").Answer(h); got.Status != 200 {
			t.Errorf("afterwards got %d %v", got.Status, got.Err)
		}
	})
}

func TestClientGoes(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		for name, wait := range map[string]func(c *Call) error{
			"read":  func(c *Call) error { _, err := c.Read(make([]byte, 1)); return err },
			"sleep": func(c *Call) error { return c.Sleep(time.Hour) },
			"write": func(c *Call) error {
				_ = c.Start(200, nil)
				for {
					if _, err := c.Write(make([]byte, writeChunk)); err != nil {
						return err
					}
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				x := exchangetest.New(t, exchangetest.NewExecutor(t), asteri.Request{})
				if name == "read" {
					if !m.streams {
						return
					}
					x.Request().ContentLength = -1
				}
				x.Hold()
				left := make(chan error, 1)
				x.Serve(m.run(t, func(c *Call) { left <- wait(c) }))
				x.Cancel(asteri.ErrClientGone)
				if err := <-left; !errors.Is(err, asteri.ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
	})
}

func TestContext(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		e := exchangetest.NewExecutor(t)
		var kept context.Context
		exchangetest.Get(t, e, "/").Answer(m.run(t, func(c *Call) {
			kept = c.Context()
			if kept.Err() != nil {
				t.Error("cancelled from the start")
			}
			_ = c.Respond(200, nil, nil)
		}))
		<-kept.Done() // with the handler

		x := exchangetest.Get(t, e, "/")
		running := make(chan struct{})
		x.Serve(m.run(t, func(c *Call) {
			ctx := c.Context()
			close(running)
			_ = c.Await(func() { <-ctx.Done() })
			if cause := context.Cause(ctx); !errors.Is(cause, asteri.ErrHalfClosed) {
				t.Errorf("cause %v", cause)
			}
			_ = c.Respond(200, nil, []byte("still"))
		}))
		<-running
		x.Cancel(asteri.ErrHalfClosed)
		if got := x.Wait(); string(got.Body) != "still" {
			t.Errorf("a half-closed client got %d %q", got.Status, got.Body)
		}
	})
}

func TestDeadlines(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		if !m.streams {
			return
		}
		x := exchangetest.New(t, exchangetest.NewExecutor(t), asteri.Request{Method: "POST", ContentLength: 3})
		x.Hold()
		x.Serve(m.run(t, func(c *Call) {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
				t.Errorf("read: %v", err)
			}
			_ = c.SetReadDeadline(time.Time{})
			_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond))
			_ = c.Start(200, nil)
			var err error
			for err == nil {
				_, err = c.Write(make([]byte, writeChunk))
			}
			if !isTimeout(err) {
				t.Errorf("write: %v", err)
			}
		}))
		x.Wait()
	})
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func TestUpgrade(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		x := exchangetest.Get(t, exchangetest.NewExecutor(t), "/")
		x.Serve(m.run(t, func(c *Call) {
			conn, err := c.Upgrade(nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if conn.RemoteAddr().String() != "192.0.2.1:40000" {
				t.Error(conn.RemoteAddr())
			}
			if _, err := io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}); err != nil {
				t.Error(err)
			}
		}))
		exchangetest.Eventually(t, "the upgrade", x.Upgraded)
		x.Send([]byte("ping "))
		x.Send([]byte("pong"))
		x.SendEnd(nil)
		if got := x.Wait(); got.Status != 101 || string(got.Body) != "ping pong" {
			t.Errorf("got %d %q", got.Status, got.Body)
		}
	})
}

func TestLimits(t *testing.T) {
	for _, m := range []struct {
		name  string
		model *Pool
		limit int
	}{
		{"sync", Sync(nil, Options{Workers: 3, QueueSize: 2}), 3},
		{"gthread", GThread(nil, Options{Workers: 3, Threads: 2, QueueSize: 2}), 6},
		{"gevent", Gevent(nil, Options{WorkerConnections: 5, QueueSize: 2}), 5},
	} {
		t.Run(m.name, func(t *testing.T) {
			e := exchangetest.NewExecutor(t)
			release := make(chan struct{})
			var mu sync.Mutex
			var order []string
			m.model.handler = HandlerFunc(func(c *Call) {
				mu.Lock()
				order = append(order, string(c.Request().Path))
				mu.Unlock()
				<-release
				_ = c.Respond(200, nil, nil)
			})
			var all []*exchangetest.Exchange
			for i := range m.limit + 3 {
				x := exchangetest.Get(t, e, "/"+string(rune('a'+i)))
				x.Serve(m.model)
				all = append(all, x)
			}
			if got := all[len(all)-1].Wait(); got.Status != 503 {
				t.Errorf("beyond the queue: %d", got.Status)
			}
			exchangetest.Eventually(t, "all workers are busy", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(order) == m.limit
			})
			if s := m.model.Stats(); s.Running != m.limit || s.Queued != 2 || s.Refused != 1 {
				t.Errorf("stats %+v", s)
			}
			left := all[m.limit]
			left.Cancel(asteri.ErrClientGone)
			if s := m.model.Stats(); s.Queued != 1 {
				t.Errorf("queued %d after one left", s.Queued)
			}
			close(release)
			for i, x := range all[:m.limit+2] {
				if got := x.Wait(); i != m.limit && got.Status != 200 {
					t.Errorf("%d: %d %v", i, got.Status, got.Err)
				}
			}
			exchangetest.Eventually(t, "the pool is idle", func() bool { return m.model.Stats().Running == 0 })
			if slices.Contains(order, string(left.Request().Path)) {
				t.Error("ran a request whose client had left the queue")
			}
			if s := m.model.Stats(); s.Served != uint64(m.limit)+1 || s.Queued != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestQueueTimeout(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	release := make(chan struct{})
	p := Sync(HandlerFunc(func(c *Call) { <-release; _ = c.Respond(200, nil, nil) }), Options{QueueTimeout: time.Millisecond})
	runs, waits, waitsToo := exchangetest.Get(t, e, "/"), exchangetest.Get(t, e, "/"), exchangetest.Get(t, e, "/")
	runs.Serve(p)
	waits.Serve(p)
	waitsToo.Serve(p)
	for _, x := range []*exchangetest.Exchange{waits, waitsToo} {
		if got := x.Wait(); got.Status != 503 {
			t.Errorf("got %d", got.Status)
		}
	}
	close(release)
	if got := runs.Wait(); got.Status != 200 {
		t.Errorf("got %d", got.Status)
	}
}

// A client that sends slowly, or nothing, must not hold a worker.
func TestSyncReadsBodyFirst(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	p := Sync(HandlerFunc(func(c *Call) {
		body, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		_ = c.Respond(200, nil, body)
	}), Options{Workers: 1})
	for _, size := range []int{1, wholeInMemory, wholeInMemory + 1, 1 << 20} {
		body := bytes.Repeat([]byte("a"), size)
		body[size-1] = 'z'
		slow := exchangetest.New(t, e, asteri.Request{Method: "POST", ContentLength: int64(size)})
		slow.Serve(p)
		slow.Send(body[:size/2])
		if got := exchangetest.Get(t, e, "/").Answer(p); got.Status != 200 {
			t.Errorf("meanwhile got %d", got.Status)
		}
		slow.Send(body[size/2:])
		slow.SendEnd(nil)
		if got := slow.Wait(); !bytes.Equal(got.Body, body) {
			t.Errorf("%d bytes of %d came back", len(got.Body), size)
		}
	}
	broken := exchangetest.New(t, e, asteri.Request{Method: "POST", ContentLength: 9})
	broken.Serve(p)
	broken.FailBody(&asteri.StatusError{Code: 408})
	if got := broken.Wait(); got.Status != 408 {
		t.Errorf("a broken body got %d", got.Status)
	}
}
