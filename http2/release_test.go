package http2

import (
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
)

// TestReleasedStream: a stream whose handler has kept, answered and released it serves
// another request, and nothing of the first is left in it.
func TestReleasedStream(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k, asteri.WithServer(""))
	c.headers(1, false, request("POST", "/first?q", "content-length", "3", "x-a", "1")...)
	must(t, c.WriteData(1, true, []byte("abc")))
	c.send()
	x := k.last(t)
	first := new(bodyLog)
	x.ReadBody(first)
	c.settle()
	cancelled := 0
	x.OnCancel(func(error) { cancelled++ })
	if must(t, x.Respond(200, nil, []byte("1"))); !x.(asteri.Releaser).Release() {
		t.Fatal("not taken back")
	}
	c.get(3, "/second")
	again := k.last(t)
	if r := again.Request(); again != x && !callback.Debug || string(r.Path) != "/second" || r.Header.Len() != 0 || r.ContentLength > 0 {
		t.Errorf("%p serves %s with %d fields and %d bytes; before it was %p", again, r.Path, r.Header.Len(), r.ContentLength, x)
	}
	must(t, c.WriteRSTStream(3, 8))
	c.send()
	c.want("HEADERS 1: :status=200 content-length=1", "DATA 1 end: 1")
	if cancelled != 0 || string(first.body) != "abc" || first.ends != 1 {
		t.Errorf("the first request was told of the second's end, or its body is wrong: %d, %+v", cancelled, first)
	}
	if again.(asteri.Releaser).Release() {
		t.Error("a stream that was reset is taken back while its handler may be at work")
	}
}

// TestOpenStreamIsNotReleased: a stream that still has content to send is not used
// for another.
func TestOpenStreamIsNotReleased(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.get(1, "/")
	x := k.last(t)
	must(t, x.Respond(200, nil, make([]byte, 100_000)))
	if x.(asteri.Releaser).Release() {
		t.Error("taken back")
	}
}
