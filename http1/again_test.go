package http1

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// readAlone parses p with a head that has seen nothing.
func readAlone(p []byte, l *asteri.Limits) (h *head, size int) {
	h = new(head)
	h.reset(l)
	size, refusal := h.parse(p)
	if refusal != nil {
		return h, 0
	}
	return h, size
}

// TestHeadAgain: a head is taken for the last one only where parsing it says the
// same, whatever follows it and whichever byte differs.
func TestHeadAgain(t *testing.T) {
	l := asteri.NewSettings(nil).Limits
	recognized := 0
	for _, cases := range readCorpus(t) {
		for _, c := range cases {
			h, size := readAlone(c.in, &l)
			if size == 0 || len(c.in) > maxSeen {
				continue
			}
			h.remember(c.in[:size])
			check := func(p []byte) {
				n := h.again(p)
				if n == 0 {
					return
				}
				recognized++
				fresh, want := readAlone(p, &l)
				if n != want || !reflect.DeepEqual(fresh.fields, h.fields) || fresh.requestLine != h.requestLine || fresh.framing != h.framing {
					t.Fatalf("%s: %q is taken for %q", c.name, p, h.seen)
				}
			}
			check(append(bytes.Clone(c.in), "GET / HTTP/1.1\r\n"...))
			for i := range c.in {
				check(c.in[:i])
				p := bytes.Clone(c.in)
				p[i] ^= 1
				check(p)
			}
			if h.again(c.in) != size {
				t.Fatalf("%s: %q is not recognized", c.name, c.in)
			}
			h.reset(&l)
			if h.again(c.in) != 0 {
				t.Fatalf("%s: a head that was reset is recognized", c.name)
			}
		}
	}
	if recognized == 0 {
		t.Error("no head of the corpus was recognized")
	}
}

// TestLongHeadsAreNotKept bounds what a loop keeps of the last request.
func TestLongHeadsAreNotKept(t *testing.T) {
	p := []byte("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", maxSeen) + "\r\n\r\n")
	l := asteri.NewSettings(nil).Limits
	h, size := readAlone(p, &l)
	h.remember(p[:size])
	if size != len(p) || h.again(p) != 0 || cap(h.seen) > maxSeen {
		t.Errorf("%d bytes kept of %d", cap(h.seen), size)
	}
}

// TestPlainPaths: paths are taken for plain where HTTP/2 and HTTP/3 take them so.
func TestPlainPaths(t *testing.T) {
	l := asteri.NewSettings(nil).Limits
	const letters = "/.%2e\\;?a"
	for i := range 200_000 {
		target := []byte{'/'}
		for n := i; n > 0; n /= len(letters) {
			target = append(target, letters[n%len(letters)])
		}
		_, plain, ok := httpfield.ValidPath(target)
		h, size := readAlone(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target), &l)
		if ok != (size > 0) || ok && h.plain != plain {
			t.Fatalf("%s: %t, %t; by HTTP/1 %t, %t", target, ok, plain, size > 0, h.plain)
		}
	}
}
