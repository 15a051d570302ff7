package exchange

import (
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
)

// While the process is stopped no handler can answer, and so it does not count.
func TestTimeThatTheProcessWasStopped(t *testing.T) {
	t.Cleanup(awake.Keep())
	before := awake.Lost()
	w, hm := begin(t, "GET", true, func(asteri.Exchange) {}, asteri.WithTimeouts(asteri.Timeouts{Handler: time.Minute}))
	awake.At(time.Now().Add(time.Hour)) // the first sign since then
	hm.time = hm.time.Add(awake.Lost() - before + 10*time.Second)
	if left := w.CheckHandler(); left != 50*time.Second {
		t.Errorf("%v are left, want 50s", left)
	}
}

// An exchange that its handler keeps is watched from whenever it has a limit, however
// it came to that.
func TestWhoIsWatched(t *testing.T) {
	const general, own = time.Minute, time.Second
	var x asteri.Exchange
	forEver := func(got asteri.Exchange) { x = got; x.SetTimeout(-1) }
	upgrade := func() {
		h := new(asteri.Header)
		h.Add("Upgrade", "websocket")
		if _, err := x.Upgrade(h); err != nil {
			t.Error(err)
		}
	}
	for name, tt := range map[string]struct {
		method  string
		ended   bool
		handler asteri.HandlerFunc
		then    func(w *wire)
		want    time.Duration // within which the protocol is to look
	}{
		"for ever":               {"GET", true, forEver, func(*wire) {}, 0},
		"the default again":      {"GET", true, forEver, func(*wire) { x.SetTimeout(0) }, general},
		"a limit of its own":     {"GET", true, forEver, func(*wire) { x.SetTimeout(own) }, own},
		"reading":                {"POST", false, forEver, func(*wire) { x.ReadBody(new(sink)) }, general},
		"half-closed":            {"GET", true, forEver, func(w *wire) { w.party().HalfClosed() }, general},
		"tunnel":                 {"CONNECT", false, forEver, func(*wire) { upgrade() }, 0},
		"tunnel that ends":       {"CONNECT", false, forEver, func(w *wire) { upgrade(); _ = w.party().ReceiveEnd(nil) }, general},
		"tunnel, half-closed":    {"CONNECT", false, forEver, func(w *wire) { upgrade(); w.party().HalfClosed() }, general},
		"tunnel that had ended":  {"CONNECT", true, forEver, func(*wire) { upgrade() }, general},
		"content that waits":     {"POST", false, forEver, func(w *wire) { stuck(t, x, w) }, general},
		"the same, with a limit": {"POST", false, func(got asteri.Exchange) { x = got; x.SetTimeout(own) }, func(w *wire) { stuck(t, x, w) }, own},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := begin(t, tt.method, tt.ended, tt.handler, asteri.WithTimeouts(asteri.Timeouts{Handler: general}))
			if tt.then(w); w.watch != tt.want && (tt.want > 0 || w.watch > 0) {
				t.Errorf("watched within %v, want %v", w.watch, tt.want)
			}
			if got := w.party().CheckWithin(); got != tt.want {
				t.Errorf("checked within %v, want %v", got, tt.want)
			}
		})
	}
}

// stuck has a handler begin to answer and take a part of content that is there as a whole.
func stuck(t *testing.T, x asteri.Exchange, w *wire) {
	t.Helper()
	x.ReadBody(new(sink))
	if err := x.Start(200, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Receive(make([]byte, asteri.BodyWindow)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.party().ReceiveEnd(nil); err != nil {
		t.Fatal(err)
	}
	x.Consumed(1) // it wakes up, and stops
}
