package exchange

import (
	"testing"

	"github.com/asteri/asteri-loop"
)

// TestRelease: an exchange that was kept is taken back after its end, once, unless
// something may still come for it.
func TestRelease(t *testing.T) {
	keep := func(x asteri.Exchange) { x.OnCancel(func(error) {}) }
	for name, c := range map[string]struct {
		use  func(w *wire, h *home)
		want bool
	}{
		"answered":           {func(*wire, *home) {}, true},
		"stream is open":     {func(w *wire, _ *home) { w.closed = false }, false},
		"a function may run": {func(w *wire, _ *home) { w.Post(func() {}) }, false},
		"told when drained":  {func(w *wire, _ *home) { w.OnDrain(func() {}) }, false},
		"half-closed":        {func(w *wire, _ *home) { w.HalfClosed() }, false},
		"body was read":      {func(w *wire, _ *home) { w.ReadBody(nothing{}) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, h := begin(t, "GET", true, keep)
			w.closed = true
			if w.Release() {
				t.Fatal("released before its end")
			}
			c.use(w, h)
			if err := w.Respond(200, nil, nil); err != nil {
				t.Fatal(err)
			}
			if got := w.Release(); got != c.want {
				t.Errorf("released: %v", got)
			}
			if w.Release() && c.want {
				t.Error("released twice")
			}
		})
	}
}

// nothing takes a body.
type nothing struct{}

func (nothing) OnBody([]byte)        {}
func (nothing) OnEnd(*asteri.Header) {}
func (nothing) OnError(error)        {}

// TestReleaseWithin: what a handler gives back before it returns is not taken back
// twice.
func TestReleaseWithin(t *testing.T) {
	w, _ := begin(t, "GET", true, func(x asteri.Exchange) {
		x.OnCancel(func(error) {})
		_ = x.Respond(200, nil, nil)
		if x.(asteri.Releaser).Release() {
			t.Error("taken back while it is served")
		}
	})
	if !w.Over() {
		t.Error("not answered")
	}
}
