package python

import (
	"testing"

	"github.com/asteri/asteri-loop"
)

// Whose connection has the most calls that wait makes room when there is none.
func TestTheHindmostMakesRoom(t *testing.T) {
	p := testPool()
	d := p.dispatcher
	defer d.close()
	d.limit = 4
	from := func(proto asteri.Proto) func() *call {
		peer := new(asteri.Peer)
		return func() *call {
			c := testCall(p, nil)
			c.req.Proto, c.req.Peer = proto, peer
			return c
		}
	}
	refuses := func(c, want *call) bool {
		_, refused := d.submit(c, nil)
		return refused == want
	}
	greedy, other := from(asteri.HTTP2), from(asteri.HTTP2)
	var calls []*call
	for range 4 {
		calls = append(calls, greedy())
		d.submit(calls[len(calls)-1], nil)
	}
	if c := greedy(); !refuses(c, c) {
		t.Error("its own next one is not refused")
	}
	if c := other(); !refuses(c, calls[3]) {
		t.Error("the first call of another connection does not take the place of its last")
	}
	if c := from(asteri.HTTP11)(); !refuses(c, calls[2]) {
		t.Error("nor does one over HTTP/1")
	}
	if c := other(); !refuses(c, c) {
		t.Error("who has as many is not refused")
	}
	if calls[2].place != nowhere || calls[1].place != queued || d.waiting() != 4 {
		t.Error("the calls are not where they should be")
	}
}
