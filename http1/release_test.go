package http1

import (
	"bytes"
	"errors"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
)

func release(t *testing.T, x asteri.Exchange) bool {
	t.Helper()
	r, ok := x.(asteri.Releaser)
	if !ok {
		t.Fatal("the exchange cannot be released")
	}
	return r.Release()
}

// TestReleasedExchange: an exchange that was kept, answered and released serves the
// next request, and nothing of the first is left in it.
func TestReleasedExchange(t *testing.T) {
	k := new(keeper)
	var records records
	c := newFakeConn(k, asteri.WithObserver(&records))
	c.feed([]byte("POST /first?q HTTP/1.1\r\nHost: one\r\nX-A: 1\r\nContent-Length: 3\r\n\r\nabc"))
	x := k.last(t)
	body := new(bodyLog)
	cancelled := 0
	x.OnCancel(func(error) { cancelled++ })
	x.ReadBody(body)
	c.runPosts()
	if release(t, x) {
		t.Fatal("released before its end")
	}
	must(t, x.Respond(200, helloHeader, helloBody))
	if !release(t, x) || release(t, x) {
		t.Fatal("not taken back, or twice")
	}
	c.feed([]byte("GET /second HTTP/1.1\r\nHost: two\r\n\r\n"))
	again := k.last(t)
	r := again.Request()
	if again != x && !callback.Debug || string(r.Path) != "/second" || len(r.Query) != 0 || string(r.Authority) != "two" || r.Header.Len() != 1 || r.ContentLength != 0 {
		t.Errorf("it serves %s?%s of %s with %d fields and %d bytes", r.Path, r.Query, r.Authority, r.Header.Len(), r.ContentLength)
	}
	if !again.Post(func() {}) {
		t.Error("it takes no function")
	}
	second := new(bodyLog)
	again.ReadBody(second)
	if second.ends != 1 || len(second.body) != 0 || body.ends != 1 || string(body.body) != "abc" {
		t.Errorf("bodies: %+v and %+v", body, second)
	}
	c.Abort(errors.New("gone"))
	if cancelled != 0 {
		t.Error("the first request's function was told of the second one's end")
	}
}

// TestNotReleased: an exchange that something may still come for is not used again.
func TestNotReleased(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, c *fakeConn, x asteri.Exchange){
		"posted":      func(_ *testing.T, _ *fakeConn, x asteri.Exchange) { x.Post(func() {}) },
		"drain":       func(_ *testing.T, _ *fakeConn, x asteri.Exchange) { x.OnDrain(func() {}) },
		"half-closed": func(_ *testing.T, c *fakeConn, _ asteri.Exchange) { c.feedEOF() },
	} {
		k := new(keeper)
		c := newFakeConn(k)
		c.feed([]byte(get))
		x := k.last(t)
		use(t, c, x)
		err := x.Respond(200, helloHeader, helloBody)
		if released := release(t, x); err != nil || released {
			t.Errorf("%s: %v, released: %v", name, err, released)
		}
	}
}

// TestReleaseWithin: a handler that answers and releases before it returns is as one
// that kept nothing: the exchange is not taken back twice.
func TestReleaseWithin(t *testing.T) {
	seen := make(map[asteri.Exchange]int)
	c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
		seen[x]++
		x.OnCancel(func(error) {})
		_ = x.Respond(200, helloHeader, helloBody)
		if x.(asteri.Releaser).Release() {
			t.Error("taken back while it is served")
		}
	}))
	c.feed(bytes.Repeat([]byte(get), 3))
	if len(seen) != 3 {
		t.Errorf("%d exchanges for 3 requests", len(seen))
	}
}

// releasing is a sink that releases its exchange when the body fails.
type releasing struct {
	bodyLog
	x        asteri.Exchange
	released bool
}

func (r *releasing) OnError(err error) {
	r.bodyLog.OnError(err)
	r.released = r.x.(asteri.Releaser).Release()
}

// TestReleaseOfAFailure: an exchange that is about to be told why it failed is not used
// again, or the next request would be told.
func TestReleaseOfAFailure(t *testing.T) {
	for name, fail := range map[string]func(c *fakeConn){
		"malformed": func(c *fakeConn) { c.feed([]byte("no chunk\r\n")) },
		"lost":      func(c *fakeConn) { c.session.OnClose(errors.New("gone")) },
	} {
		k := new(keeper)
		c := newFakeConn(k)
		c.feed([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"))
		r := &releasing{x: k.last(t)}
		told := 0
		r.x.OnCancel(func(error) { told++ })
		r.x.ReadBody(r)
		c.runPosts()
		fail(c)
		if len(r.errs) != 1 || told != 1 || r.released {
			t.Errorf("%s: body %v, told %d times, released: %v", name, r.errs, told, r.released)
		}
	}
}
