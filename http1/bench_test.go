package http1

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
)

const (
	smallGET = "GET /plaintext HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"

	browserGET = "GET /a/path/to/some/page?with=a&query=string HTTP/1.1\r\n" +
		"Host: www.example.org\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Connection: keep-alive\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n" +
		"Upgrade-Insecure-Requests: 1\r\n" +
		"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n" +
		"Priority: u=0, i\r\n\r\n"
)

func BenchmarkHead(b *testing.B) {
	for name, in := range map[string]string{"small": smallGET, "browser": browserGET} {
		b.Run(name, func(b *testing.B) {
			p := []byte(in)
			l := asteri.NewSettings(nil).Limits
			h := new(head)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				h.reset(&l)
				if size, refusal := h.parse(p); size != len(p) || refusal != nil {
					b.Fatal(size, refusal)
				}
			}
		})
	}
}

// BenchmarkSession reports the time of one request through the parser, the
// session and an inline handler.
func BenchmarkSession(b *testing.B) {
	for _, bm := range []struct {
		name  string
		in    string
		depth int
	}{{"small", smallGET, 1}, {"small-x16", smallGET, 16}, {"browser", browserGET, 1}} {
		b.Run(bm.name, func(b *testing.B) {
			c := newFakeConn(hello)
			c.discard = true
			p := bytes.Repeat([]byte(bm.in), bm.depth)
			b.ReportAllocs()
			for n := 0; n < b.N; n += bm.depth {
				if used, err := c.session.OnData(p); used != len(p) || err != nil {
					b.Fatal(used, err)
				}
			}
		})
	}
}

// BenchmarkSessionKept is a request whose exchange is kept and answered later.
func BenchmarkSessionKept(b *testing.B) { benchmarkKept(b, false) }

// BenchmarkSessionReleased is the same with an exchange that is released then, as that
// of a request to a Python worker is.
func BenchmarkSessionReleased(b *testing.B) { benchmarkKept(b, true) }

func benchmarkKept(b *testing.B, release bool) {
	k := new(keeper)
	c := newFakeConn(k)
	c.discard = true
	p := []byte(browserGET)
	b.ReportAllocs()
	for b.Loop() {
		if used, _ := c.session.OnData(p); used != len(p) {
			b.Fatal(used)
		}
		x := k.got[0]
		k.got = k.got[:0]
		if err := x.Respond(200, helloHeader, helloBody); err != nil {
			b.Fatal(err)
		}
		if release && !x.(asteri.Releaser).Release() {
			b.Fatal("not taken back")
		}
	}
}

func TestNoAllocations(t *testing.T) {
	if callback.Debug {
		t.Skip("a debug build uses nothing twice")
	}
	for name, in := range map[string]string{
		"pipelined": string(bytes.Repeat([]byte(smallGET), 16)),
		"browser":   browserGET,
		"POST":      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345",
	} {
		c := newFakeConn(hello)
		c.discard = true
		p := []byte(in)
		n := testing.AllocsPerRun(100, func() {
			if used, err := c.session.OnData(p); used != len(p) || err != nil {
				t.Fatal(used, err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestIdleSessionIsSmall(t *testing.T) {
	c := newFakeConn(hello)
	c.discard = true
	c.feed([]byte(smallGET))
	s := c.session.(*session)
	if s.x != nil || s.head != nil || s.body.trailer != nil {
		t.Error("an idle session holds on to memory")
	}
	if n := unsafe.Sizeof(*s); n > 224 { // a size class of the allocator
		t.Errorf("a session has %d bytes", n)
	}
}

func TestIdleTunnelIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(tunnelSession{}); n > 160 {
		t.Errorf("a tunnel has %d bytes", n)
	}
}
