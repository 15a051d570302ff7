package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// follower is a TunnelObserver that remembers.
type follower struct {
	records
	opened int
	ends   []string
	in     int64
	out    int64
	cause  error
}

func (f *follower) TunnelOpened(r *asteri.Record) asteri.TunnelClosed {
	path := string(r.Request.Path)
	f.opened++
	return func(in, out int64, cause error) {
		f.ends = append(f.ends, path)
		f.in, f.out, f.cause = in, out, cause
	}
}

func TestTunnelIsObserved(t *testing.T) {
	for name, tc := range map[string]struct {
		end   func(*fakeConn, asteri.Tunnel)
		cause error
	}{
		"closed":  {func(_ *fakeConn, t asteri.Tunnel) { t.Close() }, nil},
		"aborted": {func(_ *fakeConn, t asteri.Tunnel) { t.Abort(asteri.ErrStopping) }, asteri.ErrStopping},
		"lost":    {func(c *fakeConn, _ asteri.Tunnel) { c.session.OnClose(loop.PeerClosed) }, asteri.ErrClientGone},
	} {
		t.Run(name, func(t *testing.T) {
			var f follower
			var tunnel asteri.Tunnel
			c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
				var err error
				tunnel, err = x.Upgrade(fields("Upgrade", "echo"))
				must(t, err)
			}), asteri.WithObserver(&f))
			c.feed([]byte(upgrade + "12345"))
			tunnel.Read(new(bodyLog))
			c.runPosts()
			_, err := tunnel.Write([]byte("123"))
			must(t, err)
			if f.opened != 1 || len(f.got) != 0 || len(f.ends) != 0 {
				t.Fatalf("while it is open: %+v", f)
			}
			tc.end(c, tunnel)
			tunnel.Close()
			if len(f.ends) != 1 || f.ends[0] != "/chat" || f.in != 5 || f.out != 3 || !errors.Is(f.cause, tc.cause) {
				t.Errorf("at the end: %+v", f)
			}
		})
	}
}

// Who does not follow tunnels hears of the exchange when it has become one.
func TestTunnelOfAPlainObserver(t *testing.T) {
	r := new(records)
	c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
		_, err := x.Upgrade(fields("Upgrade", "echo"))
		must(t, err)
	}), asteri.WithObserver(r))
	c.feed([]byte(upgrade))
	c.session.OnClose(loop.PeerClosed)
	if len(r.got) != 1 || r.got[0].Status != 101 {
		t.Errorf("%+v", r.got)
	}
}

// How long a response took from its head on is told of those that have such a time,
// and not of the next one on the connection.
func TestSendingIsTold(t *testing.T) {
	r := new(records)
	c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
		if string(x.Request().Path) == "/whole" {
			must(t, x.Respond(200, nil, nil))
			return
		}
		must(t, x.Start(200, nil))
		must(t, x.Finish(nil))
	}), asteri.WithObserver(r))
	c.feed([]byte("GET /pieces HTTP/1.1\r\nHost: a\r\n\r\nGET /whole HTTP/1.1\r\nHost: a\r\n\r\n"))
	if len(r.got) != 2 || r.got[0].Sending <= 0 || r.got[0].Sending > r.got[0].Duration || r.got[1].Sending != 0 {
		t.Errorf("%+v", r.got)
	}
}

func TestRequestIDIsSent(t *testing.T) {
	const in = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, tc := range map[string]struct {
		id     string
		header *asteri.Header
		want   string
	}{
		"sent":                  {"abc", nil, "\r\nX-Request-ID: abc\r\n"},
		"none":                  {"", nil, ""},
		"the application's own": {"abc", fields("x-request-id", "mine"), "\r\nx-request-id: mine\r\n"},
		"no value of a field":   {"a\r\nSet-Cookie: b", nil, ""},
	} {
		c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
			x.Request().Handling.ID = tc.id
			must(t, x.Respond(200, tc.header, nil))
		}), asteri.WithRequestIDField("X-Request-ID"))
		c.feed([]byte(in))
		out := c.take()
		if n := strings.Count(strings.ToLower(out), "x-request-id"); !strings.Contains(out, tc.want) || n != min(len(tc.want), 1) || strings.Contains(out, "Cookie") {
			t.Errorf("%s: %q", name, out)
		}
	}
	c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
		x.Request().Handling.ID = "abc"
		must(t, x.Respond(200, nil, nil))
	}), asteri.WithRequestIDField("no name"))
	c.feed([]byte(in))
	if out := c.take(); strings.Contains(out, "abc") {
		t.Errorf("%q", out)
	}
}
