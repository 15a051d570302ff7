package workers

import (
	"errors"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// What was taken over answers when it likes: the call neither answers it nor ends
// it, and no timeout does.
func TestTakeover(t *testing.T) {
	const limit = 50 * time.Millisecond
	var kept asteri.Exchange
	release := make(chan struct{})
	h := HandlerFunc(func(c *Call) {
		if err := c.Takeover(func(x asteri.Exchange) error { kept = x; return nil }); err != nil {
			t.Error(err)
		}
		c.Block(func() { <-release })
	})
	for name, model := range map[string]asteri.Handler{
		"sync": Sync(h, Options{Timeout: limit}), "gevent": Gevent(h, Options{Timeout: limit}), "gtornado": GTornado(h, Options{Timeout: limit}),
	} {
		t.Run(name, func(t *testing.T) {
			kept = nil
			e := exchangetest.NewExecutor(t)
			x := exchangetest.Get(t, e, "/")
			x.Serve(model)
			exchangetest.Eventually(t, "the takeover", func() (ok bool) {
				e.Do(func() { ok = kept != nil })
				return ok
			})
			time.Sleep(3 * limit) // what is not to happen takes its time
			release <- struct{}{}
			if x.Ended() {
				t.Fatal("the call ended what it gave away")
			}
			e.Do(func() { _ = kept.Respond(200, nil, []byte("later")) })
			if got := x.Wait(); got.Status != 200 || string(got.Body) != "later" {
				t.Errorf("got %d %q, %v", got.Status, got.Body, got.Err)
			}
		})
	}
	failing := HandlerFunc(func(c *Call) {
		want := errors.New("as asked")
		if err := c.Takeover(func(x asteri.Exchange) error { x.Abort(&asteri.StatusError{Code: 418}); return want }); !errors.Is(err, want) {
			t.Errorf("got %v", err)
		}
	})
	if got := exchangetest.Get(t, exchangetest.NewExecutor(t), "/").Answer(GTornado(failing, Options{})); got.Status != 418 {
		t.Errorf("got %d", got.Status)
	}
}
