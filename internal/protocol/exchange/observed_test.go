package exchange

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// beginConnect has h serve an extended CONNECT.
func beginConnect(t *testing.T, h asteri.HandlerFunc, opts ...asteri.Option) *wire {
	t.Helper()
	s := asteri.NewSettings(h, opts...)
	w := newWire(&s, &home{posts: make(chan func(), 100), time: time.Unix(1700000000, 0)})
	var head httpfield.RequestHead
	w.Head(&head)
	for _, f := range [][2]string{{":method", "CONNECT"}, {":protocol", "echo"}, {":scheme", "http"}, {":path", "/chat"}, {":authority", "a"}} {
		head.Add(f[0], f[1])
	}
	if refusal, err := head.End(false, true); refusal != nil || err != nil {
		t.Fatal(refusal, err)
	}
	w.HeadDone(&head)
	w.Serve(false, nil)
	return w
}

// follower is a TunnelObserver that remembers.
type follower struct {
	observer
	in, out int64
	cause   error
	ends    int
}

func (f *follower) TunnelOpened(*asteri.Record) asteri.TunnelClosed {
	return func(in, out int64, cause error) {
		f.in, f.out, f.cause = in, out, cause
		f.ends++
	}
}

func TestTunnelIsObserved(t *testing.T) {
	for name, tc := range map[string]struct {
		end   func(*wire, asteri.Tunnel)
		cause error
	}{
		"closed":  {func(_ *wire, t asteri.Tunnel) { t.Close() }, nil},
		"aborted": {func(_ *wire, t asteri.Tunnel) { t.Abort(asteri.ErrStopping) }, asteri.ErrStopping},
		"lost":    {func(w *wire, _ asteri.Tunnel) { w.party().Cancel(asteri.ErrClientGone) }, asteri.ErrClientGone},
	} {
		t.Run(name, func(t *testing.T) {
			f := &follower{observer: func(*asteri.Record) { t.Error("told by ExchangeDone") }}
			var tunnel asteri.Tunnel
			w := beginConnect(t, func(x asteri.Exchange) {
				var h asteri.Header
				h.Add("upgrade", "echo")
				var err error
				if tunnel, err = x.Upgrade(&h); err != nil {
					t.Fatal(err)
				}
			}, asteri.WithObserver(f))
			tunnel.Read(new(sink))
			if err := w.party().Receive([]byte("12345")); err != nil {
				t.Fatal(err)
			}
			if _, err := tunnel.Write([]byte("123")); err != nil {
				t.Fatal(err)
			}
			tc.end(w, tunnel)
			tunnel.Close()
			if f.ends != 1 || f.in != 5 || f.out != 3 || !errors.Is(f.cause, tc.cause) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// How long a response took from its head on is told of those that have such a time.
func TestSendingIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		answer asteri.HandlerFunc
		takes  bool
	}{
		"whole":     {func(x asteri.Exchange) { _ = x.Respond(200, nil, nil) }, false},
		"in pieces": {func(x asteri.Exchange) { _ = x.Start(200, nil); _ = x.Finish(nil) }, true},
		"aborted":   {func(x asteri.Exchange) { _ = x.Start(200, nil); x.Abort(asteri.ErrStopping) }, true},
		"refused":   {func(x asteri.Exchange) { x.Abort(asteri.ErrStopping) }, false},
	} {
		told := time.Duration(-1)
		begin(t, "GET", true, tc.answer, asteri.WithObserver(observer(func(r *asteri.Record) { told = r.Sending })))
		if told < 0 || tc.takes != (told > 0) {
			t.Errorf("%s: %v", name, told)
		}
	}
}

func TestRequestIDIsSent(t *testing.T) {
	answer := func(id, own string) string {
		w, _ := begin(t, "GET", true, func(x asteri.Exchange) {
			x.Request().Handling.ID = id
			var h asteri.Header
			if own != "" {
				h.Add("X-Request-ID", own)
			}
			_ = x.Respond(204, &h, nil)
		}, asteri.WithRequestIDField("X-Request-ID"))
		return w.take()
	}
	if got := answer("abc", ""); !strings.Contains(got, "x-request-id=abc") {
		t.Error(got)
	}
	if got := answer("", ""); strings.Contains(got, "x-request-id") {
		t.Error(got)
	}
	if got := answer("abc", "own"); strings.Count(got, "x-request-id") != 1 || !strings.Contains(got, "x-request-id=own") {
		t.Error(got)
	}
	if got := answer("a\nb", ""); strings.Contains(got, "x-request-id") {
		t.Error(got)
	}
}
