package accept

import (
	"testing"

	"github.com/asteri/asteri-loop"
)

func header(values ...string) *asteri.Header {
	h := new(asteri.Header)
	h.Add("Host", "example.org")
	for _, v := range values {
		h.Add("accept-encoding", v)
	}
	return h
}

func TestBest(t *testing.T) {
	all := []Coding{Zstd, Brotli, Gzip, Identity}
	for _, c := range []struct {
		fields []string
		want   Coding
		ok     bool
	}{
		{nil, Identity, true},
		{[]string{""}, Identity, true},
		{[]string{"gzip"}, Gzip, true},
		{[]string{"GZip"}, Gzip, true},
		{[]string{"x-gzip"}, Gzip, true},
		{[]string{"gzip, deflate, br, zstd"}, Zstd, true},
		{[]string{"gzip;q=1.0, br;q=0.9, zstd;q=0.8"}, Gzip, true},
		{[]string{"gzip;q=0.5", "br;q=0.501"}, Brotli, true},
		{[]string{"gzip;q=0"}, Identity, true},
		{[]string{"gzip; q=0.001"}, Gzip, true},
		{[]string{"*"}, Zstd, true},
		{[]string{"*;q=0"}, Identity, false},
		{[]string{"*;q=0, gzip"}, Gzip, true},
		{[]string{"*;q=0, identity"}, Identity, true},
		{[]string{"zstd;q=0, *"}, Brotli, true},
		{[]string{"identity;q=0"}, Identity, false},
		{[]string{"identity;q=0, gzip;q=0.1"}, Gzip, true},
		{[]string{"identity, gzip;q=0.5"}, Identity, true},
		{[]string{"identity;q=0.5, gzip;q=0.5"}, Gzip, true},
		{[]string{"deflate"}, Identity, true},
		{[]string{"gzip;q=2"}, Identity, true},
		{[]string{"gzip;q=0.5555"}, Identity, true},
		{[]string{"gzip;q="}, Identity, true},
		{[]string{"gzip;level=1"}, Identity, true},
		{[]string{";q=1, ,gzip"}, Gzip, true},
	} {
		q := Encodings(header(c.fields...))
		if got, ok := q.Best(all...); got != c.want || ok != c.ok {
			t.Errorf("%q: %v, %t; want %v, %t", c.fields, got, ok, c.want, c.ok)
		}
	}
}

func TestEncodingsAllocatesNothing(t *testing.T) {
	h := header("gzip, deflate, br;q=0.8, zstd")
	if n := testing.AllocsPerRun(100, func() {
		q := Encodings(h)
		q.Best(Zstd, Identity)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzEncodings(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0")
	f.Fuzz(func(t *testing.T, s string) {
		q := Encodings(header(s))
		for c := range codings {
			if w := q.weight[c]; w < 0 || w > 1000 {
				t.Errorf("%q: weight of %v is %d", s, c, w)
			}
		}
	})
}
