package workers

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/jobs"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
)

func gtornado(t *testing.T, o Options, h HandlerFunc) *Coroutines {
	g := GTornado(h, o)
	t.Cleanup(func() { g.Close() })
	return g
}

func TestRunsInlineAndLetsOthersProceed(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	release := make(chan struct{})
	var turn []string // touched without a lock: all runs on the executor
	g := gtornado(t, Options{}, func(c *Call) {
		path := string(c.Request().Path)
		turn = append(turn, path+" starts")
		if path == "/slow" {
			if err := c.Await(func() { <-release }); err != nil {
				t.Error(err)
			}
		}
		turn = append(turn, path+" ends")
		_ = c.Respond(200, nil, nil)
	})
	slow, quick := exchangetest.Get(t, e, "/slow"), exchangetest.Get(t, e, "/quick")
	slow.Serve(g)
	quick.Serve(g)
	if !quick.Ended() {
		t.Error("a handler that waits for nothing did not end inline")
	}
	close(release)
	slow.Wait()
	got := strings.Join(turn, ", ")
	if want := "/slow starts, /quick starts, /quick ends, /slow ends"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAwaitPanics(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	recovered := make(chan any, 1)
	g := gtornado(t, Options{}, func(c *Call) {
		defer func() { recovered <- recover(); _ = c.Respond(200, nil, nil) }()
		_ = c.Await(panicsHere)
	})
	if got := exchangetest.Get(t, e, "/").Answer(g); got.Status != 200 {
		t.Errorf("got %d", got.Status)
	}
	p, ok := (<-recovered).(*asteri.PanicError)
	if !ok || p.Value != "here" || !strings.Contains(string(p.Stack), "panicsHere") {
		t.Errorf("got %v", p)
	}

	for name, h := range map[string]HandlerFunc{
		"panic":        func(c *Call) { _ = c.Await(panicsHere) },
		"Goexit":       func(c *Call) { _ = c.Await(runtime.Goexit) },
		"Block panic":  func(c *Call) { c.Block(panicsHere) },
		"Block Goexit": func(c *Call) { c.Block(runtime.Goexit) },
	} {
		got := exchangetest.Get(t, e, "/").Answer(gtornado(t, Options{}, h))
		var p *asteri.PanicError
		if got.Status != 500 || !errors.As(got.Err, &p) {
			t.Errorf("%s: got %d %v", name, got.Status, got.Err)
		}
	}
}

func TestAwaitDoesNotWaitForALostCause(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	var log bytes.Buffer // written once, before the executor's last turn
	o := Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	release, left := make(chan struct{}), make(chan error, 1)
	x := exchangetest.Get(t, e, "/")
	var call *Call
	x.Serve(gtornado(t, o, func(c *Call) {
		call = c
		left <- c.Await(func() { <-release; panicsHere() })
	}))
	x.Cancel(asteri.ErrClientGone)
	if err := <-left; !errors.Is(err, asteri.ErrClosed) {
		t.Errorf("got %v", err)
	}
	close(release)
	exchangetest.Eventually(t, "the awaited goroutine ends", func() bool { return !jobs.Outstanding() })
	if call == nil || !strings.Contains(log.String(), "panicsHere") {
		t.Errorf("its panic was lost; log: %s", &log)
	}
}

func TestBlockUsesTheCall(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	x := exchangetest.New(t, e, asteri.Request{Method: "POST", ContentLength: 4})
	x.Serve(gtornado(t, Options{}, func(c *Call) {
		var body [4]byte
		c.Block(func() {
			time.Sleep(time.Millisecond) // would hold the executor inline
			if _, err := c.Read(body[:]); err != nil {
				t.Error(err)
			}
		})
		_ = c.Respond(200, nil, body[:]) // inline again
	}))
	exchangetest.Eventually(t, "the handler reads", x.BodyAsked)
	x.Send([]byte("ping"))
	x.SendEnd(nil)
	if got := x.Wait(); string(got.Body) != "ping" {
		t.Errorf("got %q", got.Body)
	}
}

// TestBlockOutlivesTheExecutor: a handler that is in Block when its loop ends is
// not left behind.
func TestBlockOutlivesTheExecutor(t *testing.T) {
	leakcheck.Check(t)
	e := exchangetest.NewExecutor(t)
	entered, leave, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	exchangetest.Get(t, e, "/").Serve(gtornado(t, Options{}, func(c *Call) {
		defer close(ended)
		c.Block(func() {
			_ = c.Respond(200, nil, nil)
			close(entered)
			<-leave
		})
	}))
	<-entered
	e.End()
	close(leave)
	<-ended
}

func TestCoroutinesAreReusedAndReleased(t *testing.T) {
	leakcheck.Check(t)
	e := exchangetest.NewExecutor(t)
	g := GTornado(HandlerFunc(func(c *Call) { _ = c.Respond(200, nil, nil) }), Options{})
	before := runtime.NumGoroutine()
	for range 10 {
		if got := exchangetest.Get(t, e, "/").Answer(g); got.Kept {
			t.Error("kept an exchange that it answered at once")
		}
	}
	if n := runtime.NumGoroutine() - before; n > 1 {
		t.Errorf("%d coroutines for one call at a time", n)
	}
	g.Close()
}

// fixedExchange answers without a cost of its own.
type fixedExchange struct {
	asteri.Exchange
	home asteri.Executor
	req  asteri.Request
	n    int
}

func (x *fixedExchange) Home() asteri.Executor    { return x.home }
func (x *fixedExchange) SetTimeout(time.Duration) {}
func (x *fixedExchange) Request() *asteri.Request { return &x.req }
func (x *fixedExchange) Respond(int, *asteri.Header, []byte) error {
	x.n++
	return nil
}

func TestInlineAnswerDoesNotAllocate(t *testing.T) {
	x := &fixedExchange{home: exchangetest.NewExecutor(t)}
	body := []byte("Hello, World!")
	g := gtornado(t, Options{}, func(c *Call) { _ = c.Respond(200, nil, body) })
	if n := testing.AllocsPerRun(100, func() { g.ServeExchange(x) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if x.n == 0 {
		t.Error("not answered")
	}
}

func BenchmarkGTornadoRespond(b *testing.B) {
	x := &fixedExchange{home: exchangetest.NewExecutor(b)}
	g := GTornado(HandlerFunc(func(c *Call) { _ = c.Respond(200, nil, nil) }), Options{})
	defer g.Close()
	b.ReportAllocs()
	for b.Loop() {
		g.ServeExchange(x)
	}
}

// TestMain checks that every announcement of goroutine work was taken back:
// otherwise loops would yield for ever.
func TestMain(m *testing.M) {
	code := m.Run()
	for end := time.Now().Add(10 * time.Second); jobs.Outstanding() && code == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			os.Stderr.WriteString("goroutine work is still announced after the tests\n")
			code = 1
		}
	}
	os.Exit(code)
}
