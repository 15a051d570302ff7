package workers

import (
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// What models tell the observer of a call.
func TestHandling(t *testing.T) {
	eachModel(t, func(t *testing.T, m model) {
		e := exchangetest.NewExecutor(t)
		x := exchangetest.Get(t, e, "/")
		if got := x.Answer(m.run(t, func(c *Call) { _ = c.Respond(200, nil, nil) })); got.Status != 200 {
			t.Fatalf("%+v", got)
		}
		var h asteri.Handling
		e.Do(func() { h = x.Request().Handling })
		if h.Model != m.name || (h.Worked > 0) != (m.name != "gtornado") {
			t.Errorf("%+v", h)
		}
	})
}

// A call that waits for a worker has waited, and one that never got one has not
// worked.
func TestHandlingOfQueuedCalls(t *testing.T) {
	release := make(chan struct{})
	h := Sync(HandlerFunc(func(c *Call) { <-release; _ = c.Respond(200, nil, nil) }), Options{QueueSize: 1})
	e := exchangetest.NewExecutor(t)
	first, second, refused := exchangetest.Get(t, e, "/1"), exchangetest.Get(t, e, "/2"), exchangetest.Get(t, e, "/3")
	first.Serve(h)
	second.Serve(h)
	if got := refused.Answer(h); got.Status != 503 {
		t.Fatalf("%+v", got)
	}
	exchangetest.Eventually(t, "a queue", func() bool { return h.Stats().Queued == 1 })
	close(release)
	first.Wait()
	second.Wait()
	e.Do(func() {
		if got := second.Request().Handling; got.Queued <= 0 || got.Worked <= 0 {
			t.Errorf("the second: %+v", got)
		}
		if got := refused.Request().Handling; got.Queued > time.Minute || got.Worked != 0 {
			t.Errorf("the third: %+v", got)
		}
	})
}

func TestTornadoNamesItself(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	x := exchangetest.Get(t, e, "/")
	x.Answer(Tornado(asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(200, nil, nil) })))
	e.Do(func() {
		if got := x.Request().Handling.Model; got != "tornado" {
			t.Error(got)
		}
	})
}
