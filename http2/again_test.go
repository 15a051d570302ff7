package http2

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asteri/asteri-loop"
)

// beside makes c a client of another connection on the loop of first.
func (c *client) beside(first *client) *client {
	c.conn.session = newSession(c.conn, first.conn.session.(*session).at)
	return c
}

func (c *client) greet() *client {
	c.in.WriteString(preface)
	must(c.t, c.WriteSettings())
	must(c.t, c.WriteSettingsAck())
	c.send()
	c.frames()
	return c
}

// Requests that repeat themselves, from connections of one loop whose tables give the same
// bytes another meaning, are what their clients have sent.
func TestKnownHeads(t *testing.T) {
	said := func(r *asteri.Request) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s %s %s? %s %s %v %d", r.Method, r.Target, r.Path, r.Query, r.Route, r.Authority, r.Ambiguous, r.ContentLength)
		for _, f := range r.Header.Fields() {
			fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
		}
		return b.String()
	}
	var got []string
	h := asteri.HandlerFunc(func(x asteri.Exchange) {
		got = append(got, said(x.Request()))
		r := x.Request() // which handlers change
		r.Header.Add("x-added", "here")
		copy(r.Target, "/####")
		_ = x.Respond(200, nil, nil)
	})
	a := newRawClient(t, Config{}, h).greet()
	clients := []*client{a, newRawClient(t, Config{}, h).beside(a).greet(), newRawClient(t, Config{}, h).beside(a).greet()}
	ids := make([]uint32, len(clients))
	values := make([]string, len(clients)) // of a field in each one's table
	for i := range ids {
		ids[i], values[i] = 1, fmt.Sprint("of-", i)
	}
	paths := []string{"/", "/a?b", "/a?", "/x/../y", "*"}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	last := ""
	for range 4000 {
		i := random.IntN(len(clients))
		c := clients[i]
		path, method, ended := paths[random.IntN(len(paths))/(1+random.IntN(3))], "GET", random.IntN(8) > 0
		if path == "*" {
			method = "OPTIONS"
		}
		if random.IntN(100) == 0 {
			values[i] = fmt.Sprint("of-", i, "-", random.IntN(10))
		}
		c.block.Reset()
		for _, f := range []hpack.HeaderField{
			{Name: ":method", Value: method, Sensitive: true}, {Name: ":scheme", Value: "http", Sensitive: true},
			{Name: ":path", Value: path, Sensitive: true}, {Name: ":authority", Value: "a.example", Sensitive: true},
			{Name: "x-own", Value: values[i]},
		} {
			must(t, c.enc.WriteField(f))
		}
		must(t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: ids[i], BlockFragment: c.block.Bytes(), EndStream: ended, EndHeaders: true}))
		got = nil
		if !ended {
			must(t, c.WriteData(ids[i], true, nil))
		}
		c.send()
		c.frames()
		ids[i] += 2
		target, query, _ := strings.Cut(path, "?")
		route, length := target, 0
		if path == "/x/../y" {
			route = "/y"
		}
		if !ended {
			length = -1
		}
		want := fmt.Sprintf("%s %s %s %s? %s a.example false %d x-own=%s", method, path, target, query, route, length, values[i])
		if len(got) != 1 || got[0] != want {
			t.Fatalf("client %d: %q, want %q (before it %q; seed %d)", i, got, want, last, seed)
		}
		last = want
	}
}

// What a head says that has come twice is not read a third time.
func TestHeadsBecomeKnown(t *testing.T) {
	c := newClient(t, Config{}, hello)
	for id := uint32(1); id < 20; id += 2 {
		c.get(id, "/repeated", "x-a", "1")
	}
	if s := c.conn.session.(*session); !s.at.again.is(s.table, s.at.again.block, true) {
		t.Error("not known after ten times")
	}
}
