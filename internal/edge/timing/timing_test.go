package timing

import (
	"regexp"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

func TestHandler(t *testing.T) {
	own := new(asteri.Header)
	own.Add("Server-Timing", "db;dur=1")
	for name, answer := range map[string]asteri.HandlerFunc{
		"respond": func(x asteri.Exchange) { _ = x.Respond(200, own, []byte("body")) },
		"start":   func(x asteri.Exchange) { _ = x.Start(200, own); _, _ = x.Write([]byte("body")); _ = x.Finish(nil) },
	} {
		r := exchangetest.Get(t, exchangetest.NewExecutor(t), "/").Answer(Handler(answer))
		var got []string
		for v := range r.Header.Values("Server-Timing") {
			got = append(got, string(v))
		}
		if len(got) != 2 || got[0] != "db;dur=1" || !regexp.MustCompile(`^app;dur=\d+\.\d{3}$`).MatchString(got[1]) || string(r.Body) != "body" {
			t.Errorf("%s: %q, %q", name, got, r.Body)
		}
	}
	if own.Len() != 1 {
		t.Error("the handler's header was changed")
	}
}

// keptExchange can be given back.
type keptExchange struct {
	asteri.Exchange
	request asteri.Request
	over    bool
}

func (x *keptExchange) Request() *asteri.Request { return &x.request }
func (x *keptExchange) Release() bool            { return x.over }
func (x *keptExchange) Respond(int, *asteri.Header, []byte) error {
	x.over = true
	return nil
}

func TestRelease(t *testing.T) {
	var kept asteri.Exchange
	x := new(keptExchange)
	Handler(asteri.HandlerFunc(func(x asteri.Exchange) {
		kept = x
		if x.(asteri.Releaser).Release() {
			t.Error("released while it is served")
		}
	})).ServeExchange(x)
	if kept.(asteri.Releaser).Release() {
		t.Error("released before its end")
	}
	if err := kept.Respond(200, new(asteri.Header), nil); err != nil {
		t.Error(err)
	}
	if !kept.(asteri.Releaser).Release() || kept.(asteri.Releaser).Release() {
		t.Error("not released, or twice")
	}
}
