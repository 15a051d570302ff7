package http2

import (
	"bytes"
	"encoding/binary"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
)

var (
	benchHeader = fields("content-type", "text/plain")
	benchBody   = []byte("Hello, World!")
)

// requests returns n GET requests as they come one behind the other, and where the
// numbers of their streams stand.
func (c *client) requests(n int) (p []byte, ids []int) {
	for range n {
		c.headers(1, true, request("GET", "/hello", "user-agent", "h2load nghttp2/1.52.0")...)
		ids = append(ids, c.in.Len())
	}
	p = append([]byte(nil), c.in.Bytes()...)
	c.in.Reset()
	at := 0
	for i := range ids {
		at, ids[i] = ids[i], at+5
	}
	return p, ids
}

// load feeds batches of requests. Its connection drops what it is sent.
func load(c *client, rounds int) {
	const batch = 32
	p, ids := c.requests(batch)
	id := c.session().last + 2
	if id == 2 {
		id = 1
	}
	for range rounds {
		for _, at := range ids {
			binary.BigEndian.PutUint32(p[at:], id)
			id += 2
		}
		c.conn.feed(p)
		c.conn.queue = c.conn.queue[:0]
		c.conn.kept = c.conn.kept[:0]
	}
}

func newBench(t testing.TB) *client {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		_ = x.Respond(200, benchHeader, benchBody)
	}))
	must(t, c.WriteWindowUpdate(0, 1<<30))
	c.send()
	c.frames()
	return c
}

func TestSimpleExchangesAllocateNothing(t *testing.T) {
	if callback.Debug {
		t.Skip("a debug build uses nothing twice")
	}
	c := newBench(t)
	load(c, 3)
	p, ids := c.requests(1)
	id := c.session().last
	allocs := testing.AllocsPerRun(1000, func() {
		id += 2
		binary.BigEndian.PutUint32(p[ids[0]:], id)
		if n, err := c.conn.session.OnData(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		c.conn.queue = c.conn.queue[:0]
	})
	if allocs != 0 {
		t.Errorf("%v allocations an exchange", allocs)
	}
}

func BenchmarkExchanges(b *testing.B) {
	c := newBench(b)
	load(c, 3)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 32 * 1000 {
		load(c, min(1000, (b.N-n)/32+1))
		must(b, c.WriteWindowUpdate(0, 13*32*1000))
		c.send()
	}
}

// BenchmarkFramer is what golang.org/x/net's Framer and decoder take for the same
// requests, which is why frames and sections are read here.
func BenchmarkFramer(b *testing.B) {
	c := newBench(b)
	load(c, 3)
	p, _ := c.requests(32)
	b.ReportAllocs()
	for n := 0; n < b.N; {
		c.readBuf.Write(p)
		for ; c.readBuf.Len() > 0; n++ {
			f, err := c.read.ReadFrame()
			must(b, err)
			_ = f.(*xhttp2.HeadersFrame)
		}
	}
}

// BenchmarkEncoder is what a usual response head takes, here and by golang.org/x/net.
func BenchmarkEncoder(b *testing.B) {
	section := fields(":status", "200", "content-type", "text/plain", "content-length", "13",
		"server", "asteri-loop", "date", "Mon, 02 Jan 2006 15:04:05 GMT").Fields()
	b.Run("ours", func(b *testing.B) {
		var e encoder
		e.init()
		var out []byte
		b.ReportAllocs()
		for b.Loop() {
			out = e.encode(out[:0], section)
		}
	})
	b.Run("golang.org/x/net", func(b *testing.B) {
		var out bytes.Buffer
		e := hpack.NewEncoder(&out)
		b.ReportAllocs()
		for b.Loop() {
			out.Reset()
			for _, f := range section {
				_ = e.WriteField(hpack.HeaderField{Name: string(f.Name), Value: string(f.Value)})
			}
		}
	})
}
