package http1

import (
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
)

// TestHeaderThatComesAgain: a handler may give the same Header again and again,
// and change it in between; each answer is that of the header as it is.
func TestHeaderThatComesAgain(t *testing.T) {
	h := fields("Content-Type", "text/plain", "X-A", "1")
	type step struct {
		name   string
		change func()
		status int
	}
	nothing := func() {}
	steps := []step{
		{"first", nothing, 200}, {"second", nothing, 200}, {"third", nothing, 200},
		{"other status", nothing, 404}, {"that again", nothing, 404}, {"back", nothing, 200}, {"settled", nothing, 200},
		{"value changed in place", func() { h.At(1).Value[0] = '2' }, 200}, {"kept", nothing, 200}, {"kept on", nothing, 200},
		{"name changed in place", func() { h.At(1).Name[2] = 'B' }, 200}, {"kept", nothing, 200}, {"kept on", nothing, 200},
		{"invalid", func() { h.At(1).Value[0] = '\n' }, 200}, {"still invalid", nothing, 200},
		{"valid", func() { h.At(1).Value[0] = '3' }, 200}, {"kept", nothing, 200}, {"kept on", nothing, 200},
		{"same bytes, other fields", func() {
			h.Reset()
			h.Append([]byte("Content-Type: text/plain\r\nX-B"), []byte("3"))
		}, 200},
		{"date of its own", func() { h.Reset(); h.Add("Date", "today") }, 200}, {"kept", nothing, 200}, {"kept on", nothing, 200},
		{"reason", func() { h.Reason = []byte("Fine") }, 200}, {"the same again", nothing, 200}, {"and again", nothing, 200},
		{"invalid reason", func() { h.Reason = []byte("Fine\r\nX: y") }, 200},
		{"no reason", func() { h.Reason = nil }, 200}, {"kept", nothing, 200}, {"kept on", nothing, 200},
		{"close", func() { h.Add("Connection", "close") }, 200},
		{"empty", h.Reset, 200}, {"kept", nothing, 200}, {"kept on", nothing, 200},
	}
	p := newProtocol(nil)
	for _, s := range steps {
		s.change()
		respond := func(p *protocol, h *asteri.Header) (string, error) {
			var err error
			c := newFakeConn(hello)
			p.settings.Handler = asteri.HandlerFunc(func(x asteri.Exchange) { err = x.Respond(s.status, h, []byte("body")) })
			c.session = p.NewSession(c)
			c.feed([]byte(get))
			return c.take(), err
		}
		got, err := respond(p, h)
		if len(h.Reason) > 0 && strings.HasPrefix(got, "HTTP/1.1 200 Fine\r\n") != (err == nil) {
			t.Errorf("%s: %q, %v", s.name, got, err)
		}
		want, wantErr := respond(newProtocol(nil), h.Clone())
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %q, %v, want %q, %v", s.name, got, err, want, wantErr)
		}
		if prepared := &p.locals.At(idleLoop()).prepared; s.name == "kept on" && prepared.is(s.status, h) != (h.Len() > 0) {
			t.Errorf("%q is not prepared: %q", h.Fields(), prepared.fields)
		}
	}
}
