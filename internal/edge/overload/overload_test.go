package overload_test

import (
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/overload"
	"github.com/asteri/asteri-loop/internal/exchangetest"
)

type memory bool

func (m *memory) Full() bool { return bool(*m) }

func TestRefusesWhileFull(t *testing.T) {
	full := new(memory)
	h := overload.Handler(asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(204, nil, nil) }), full)
	e := exchangetest.NewExecutor(t)
	for _, is := range []memory{false, true, false} {
		*full = is
		x := exchangetest.Get(t, e, "/")
		x.Serve(h)
		want := map[memory]int{false: 204, true: 503}[is]
		if got := x.Wait(); got.Status != want {
			t.Errorf("full: %v: status %d, want %d", is, got.Status, want)
		}
	}
}
