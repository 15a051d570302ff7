package workers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
)

// brief is the limit of all calls here, by the clock of a bubble, which only goes on when
// all goroutines wait: calls are late because they block, never because the machine is slow.
const brief = 20 * time.Millisecond

// eachModelInBubble is eachModel on the clock of a bubble.
func eachModelInBubble(t *testing.T, test func(t *testing.T, m model)) {
	eachModel(t, func(t *testing.T, m model) {
		synctest.Test(t, func(t *testing.T) { test(t, m.closing(t)) })
	})
}

// closing is m with handlers that end with the test: a bubble waits for all goroutines.
func (m model) closing(t *testing.T) model {
	open := m.make
	m.make = func(h Handler, o Options) asteri.Handler {
		handler := open(h, o)
		if c, ok := handler.(io.Closer); ok {
			t.Cleanup(func() { c.Close() })
		}
		return handler
	}
	return m
}

// blocksHere is what a stack must name.
func blocksHere(release <-chan struct{}) { <-release }

func TestTimeout(t *testing.T) {
	eachModelInBubble(t, func(t *testing.T, m model) {
		var log logtest.Text
		release, left := make(chan struct{}), make(chan error, 3)
		h := m.make(HandlerFunc(func(c *Call) {
			if string(c.Request().Path) != "/slow" {
				_ = c.Respond(200, nil, nil)
				return
			}
			ctx := c.Context()
			err := c.Await(func() { blocksHere(release) })
			if !errors.Is(context.Cause(ctx), ErrTimeout) {
				t.Errorf("the context ended by %v", context.Cause(ctx))
			}
			left <- err
		}), Options{Workers: 1, Threads: 1, WorkerConnections: 1, Timeout: brief, Logger: log.Logger()})
		e := exchangetest.NewExecutor(t)
		for range 3 { // as long as it lasts, more than there are workers
			if got := exchangetest.Get(t, e, "/slow").Answer(h); got.Status != 504 || !errors.Is(got.Err, ErrTimeout) {
				t.Errorf("got %d, %v", got.Status, got.Err)
			}
		}
		if got := exchangetest.Get(t, e, "/").Answer(h); got.Status != 200 {
			t.Errorf("another got %d", got.Status)
		}
		if p, ok := h.(*Pool); ok {
			// An answer is there a moment before its call is over.
			exchangetest.Eventually(t, "the last call is over", func() bool { return p.Stats().Running == 0 })
			if s := p.Stats(); s.Late != 3 || s.TimedOut != 3 {
				t.Errorf("%+v", s)
			}
		}
		close(release)
		for range 3 {
			if err := <-left; !errors.Is(err, asteri.ErrClosed) {
				t.Errorf("the handler got %v", err)
			}
		}
		if p, ok := h.(*Pool); ok {
			exchangetest.Eventually(t, "the handlers are gone", func() bool { return p.Stats().Late == 0 })
			if s := p.Stats(); s.Running != 0 {
				t.Errorf("%+v", s)
			}
		}
		if text := log.String(); !strings.Contains(text, "request timed out") || !strings.Contains(text, "path=/slow") || !strings.Contains(text, "blocksHere") {
			t.Errorf("logged: %s", text)
		}
	})
}

// Those that wait in the queue get the place of a call that timed out.
func TestTimeoutFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := Sync(HandlerFunc(func(c *Call) {
			if string(c.Request().Path) == "/slow" {
				<-release
			}
			_ = c.Respond(200, nil, nil)
		}), Options{Timeout: brief})
		e := exchangetest.NewExecutor(t)
		slow, next := exchangetest.Get(t, e, "/slow"), exchangetest.Get(t, e, "/")
		slow.Serve(p)
		next.Serve(p)
		if got := slow.Wait(); got.Status != 504 {
			t.Errorf("got %d", got.Status)
		}
		if got := next.Wait(); got.Status != 200 {
			t.Errorf("the next got %d", got.Status)
		}
	})
}

// A response that has begun must go on where it holds a worker, and may pause
// where it does not.
func TestTimeoutWithinAResponse(t *testing.T) {
	eachModelInBubble(t, func(t *testing.T, m model) {
		others := make(chan struct{})
		h := m.make(HandlerFunc(func(c *Call) {
			if string(c.Request().Path) != "/stream" {
				_ = c.Sleep(time.Hour)
				return
			}
			_ = c.Start(200, nil)
			_ = c.Await(func() { <-others })
			_, _ = c.Write([]byte("late"))
		}), Options{Workers: 3, WorkerConnections: 3, Timeout: brief})
		e := exchangetest.NewExecutor(t)
		x := exchangetest.Get(t, e, "/stream")
		x.Serve(h)
		for range 2 { // each is late after x is
			if got := exchangetest.Get(t, e, "/").Answer(h); got.Status != 504 {
				t.Errorf("got %d", got.Status)
			}
		}
		close(others)
		switch got := x.Wait(); {
		case m.streams && (got.Err != nil || string(got.Body) != "late"):
			t.Errorf("got %q, %v", got.Body, got.Err)
		case !m.streams && !errors.Is(got.Err, ErrTimeout):
			t.Errorf("got %q, %v", got.Body, got.Err)
		}
	})
}

// What a client takes its time for is none of the handler's.
func TestClientsTimeDoesNotCount(t *testing.T) {
	eachModelInBubble(t, func(t *testing.T, m model) {
		h := m.make(HandlerFunc(func(c *Call) {
			if string(c.Request().Path) == "/late" {
				_ = c.Sleep(time.Hour)
				return
			}
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			_ = c.Start(200, nil)
			for range 20 {
				if _, err := c.Write(make([]byte, writeChunk)); err != nil {
					t.Error(err)
					return
				}
			}
		}), Options{Workers: 2, Timeout: brief, ResponseSpoolMax: -1})
		e := exchangetest.NewExecutor(t)
		pass := func() {
			for range 2 {
				if got := exchangetest.Get(t, e, "/late").Answer(h); got.Status != 504 {
					t.Errorf("got %d", got.Status)
				}
			}
		}
		x := exchangetest.New(t, e, asteri.Request{Method: "POST", ContentLength: 1})
		x.Hold()
		x.Serve(h)
		pass()
		x.Send([]byte("x"))
		x.SendEnd(nil)
		exchangetest.Eventually(t, "the response waits", func() bool { return x.Unsent() >= asteri.HighWater })
		pass()
		for !x.Ended() {
			x.Release()
		}
		if got := x.Wait(); got.Err != nil || len(got.Body) != 20*writeChunk {
			t.Errorf("%d bytes, %v", len(got.Body), got.Err)
		}
	})
}

// A response that was given away as a whole is nobody's waiting any more.
func TestTimeoutSparesWhatIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, done := make(chan struct{}), make(chan struct{})
		p := Sync(HandlerFunc(func(c *Call) {
			if string(c.Request().Path) == "/late" {
				_ = c.Sleep(time.Hour)
				return
			}
			_ = c.Respond(200, nil, nil)
			<-release
			close(done)
		}), Options{Workers: 2, Timeout: brief})
		e := exchangetest.NewExecutor(t)
		if got := exchangetest.Get(t, e, "/").Answer(p); got.Status != 200 {
			t.Errorf("got %d", got.Status)
		}
		for range 2 {
			if got := exchangetest.Get(t, e, "/late").Answer(p); got.Status != 504 {
				t.Errorf("got %d", got.Status)
			}
		}
		if s := p.Stats(); s.TimedOut != 2 {
			t.Errorf("%+v", s)
		}
		close(release)
		<-done
	})
}

// Slow readers of big responses must not hold the one worker.
func TestSlowReadersHoldNoWorker(t *testing.T) {
	for name, make1 := range map[string]func(h Handler, o Options) *Pool{"sync": Sync, "gthread": GThread} {
		t.Run(name, func(t *testing.T) {
			body := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
			p := make1(HandlerFunc(func(c *Call) {
				if string(c.Request().Path) == "/quick" {
					_ = c.Respond(200, nil, nil)
					return
				}
				_ = c.Start(200, nil)
				if _, err := c.Write(body); err != nil {
					t.Error(err)
				}
			}), Options{Workers: 1})
			e := exchangetest.NewExecutor(t)
			var slow []*exchangetest.Exchange
			for range 20 {
				x := exchangetest.Get(t, e, "/big")
				x.Hold()
				x.Serve(p)
				slow = append(slow, x)
			}
			if got := exchangetest.Get(t, e, "/quick").Answer(p); got.Status != 200 {
				t.Errorf("got %d", got.Status)
			}
			for _, x := range slow {
				for !x.Ended() {
					x.Release()
				}
				if got := x.Wait(); got.Err != nil || !bytes.Equal(got.Body, body) {
					t.Errorf("%d bytes, %v", len(got.Body), got.Err)
				}
			}
		})
	}
}
