package httpfield

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/asteri/asteri-loop"
)

// The grammar is that of golang.org/x/net, byte by byte.
func TestGrammar(t *testing.T) {
	for c := range 256 {
		b := byte(c)
		if got, want := IsToken([]byte{b}), httpguts.IsTokenRune(rune(b)) && b < 0x80; got != want {
			t.Errorf("%q is a token: %v", b, got)
		}
		upper := 'A' <= b && b <= 'Z'
		if got, want := IsLowerToken(string([]byte{b})), IsToken([]byte{b}) && !upper; got != want {
			t.Errorf("%q is a lower token: %v", b, got)
		}
		for _, n := range []int{1, 8, 11} {
			p := make([]byte, n)
			for i := range p {
				p[i] = 'a'
			}
			p[n-1] = b
			if got, want := IsValue(p), httpguts.ValidHeaderFieldValue(string(p)); got != want {
				t.Errorf("%q is a value: %v", p, got)
			}
			if end := ValueEnd(p, 0); !IsValue(p) && end != n-1 {
				t.Errorf("%q ends at %d", p, end)
			}
		}
	}
	if IsToken("") || !FoldIs("Date", "date") || FoldIs("dat", "date") || FoldIs("D\x01te", "date") {
		t.Error("IsToken or FoldIs")
	}
	if got := AppendLower([]byte("x"), []byte("A-bÄ")); string(got) != "xa-bÄ" {
		t.Errorf("%q", got)
	}
}

func TestParseLength(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "0012": 12, "9223372036854775807": 1<<63 - 1, "9223372036854775808": -1, "99999999999999999999": -1} {
		if n, ok := ParseLength(in); !ok || n != want {
			t.Errorf("%s: %d, %v", in, n, ok)
		}
	}
	for _, in := range []string{"", "-1", "+1", "1 ", "0x1", "99999999999999999999x"} {
		if n, ok := ParseLength(in); ok {
			t.Errorf("%q: %d", in, n)
		}
	}
}

func TestAuthority(t *testing.T) {
	for _, s := range []string{"", "a", "a:80", "a:", "[::1]", "[::1]:443", "1.2.3.4:65535", "a%20b", "xn--bcher-kva.example"} {
		if !ValidAuthority([]byte(s)) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{":80", "a:65536", "a:b", "u@a", "a/b", "a b", "[::1", "[fe80::1%25eth0]", "a%2", "a:1:2", "ä"} {
		if ValidAuthority([]byte(s)) {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestParsePriority(t *testing.T) {
	for in, want := range map[string]Priority{
		"":                {3, false},
		"u=0":             {0, false},
		"u=7, i":          {7, true},
		"i=?1,u=2":        {2, true},
		"i,i=?0":          {3, false},
		"u=8":             {3, false},
		"u=-1":            {3, false},
		"u=2.5":           {3, false},
		"U=1":             {3, false},
		"u=1;a=b, i;x":    {1, true},
		" u=1 ,\ti ":      {1, true},
		"other=\"u=1\"":   {3, false},
		"u":               {3, false},
		"i=1":             {3, false},
		",,,":             {3, false},
		"a=(u=1 i), u=5x": {3, false},
	} {
		if got := ParsePriority(in, DefaultPriority); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
	if got := ParsePriority("i", Priority{Urgency: 1}); got != (Priority{1, true}) {
		t.Errorf("what is not said has changed: %v", got)
	}
}

func TestDate(t *testing.T) {
	var d Date
	at := time.Date(2024, 2, 29, 23, 59, 59, 5e8, time.FixedZone("", 3600))
	if got := string(d.At(at)); got != "Thu, 29 Feb 2024 22:59:59 GMT" {
		t.Error(got)
	}
	if got := string(d.At(at.Add(time.Second))); got != "Thu, 29 Feb 2024 23:00:00 GMT" {
		t.Error(got)
	}
}

func TestRefusalText(t *testing.T) {
	for want, e := range map[string]*asteri.StatusError{
		"404 Not Found\n":                {Code: 404},
		"400 Bad Request: bad\n":         {Code: 400, Reason: "bad"},
		"503 Service Unavailable\n":      {Code: 503, Reason: "a secret of ours"},
		"413 Request Entity Too Large\n": {Code: 413},
	} {
		if got := RefusalText(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// FuzzRequestHead: what is accepted can be trusted, whatever the field lines.
func FuzzRequestHead(f *testing.F) {
	f.Add("GET", "/a?b", "a.example", "cookie", "a", "cookie", "b", true)
	f.Add("CONNECT", "", "a:1", "host", "a:1", "x", "y", false)
	f.Add("POST", "*", "", "host", "[::1]", "content-length", "5", false)
	f.Add("OPTIONS", "*", "a", "te", "trailers", "priority", "u=1", true)
	limits := asteri.NewSettings(nil).Limits
	f.Fuzz(func(t *testing.T, method, path, authority, n1, v1, n2, v2 string, ended bool) {
		var r asteri.Request
		var h RequestHead
		h.Begin(&r, nil, &limits)
		h.Add(":method", method)
		h.Add(":scheme", "https")
		if path != "" {
			h.Add(":path", path)
		}
		if authority != "" {
			h.Add(":authority", authority)
		}
		h.Add(n1, v1)
		h.Add(n2, v2)
		refusal, err := h.End(ended, true)
		var malformed Malformed
		if err != nil {
			if !errors.As(err, &malformed) {
				t.Fatalf("error is %v", err)
			}
			return
		}
		if refusal != nil {
			return
		}
		switch {
		case r.Method != method || !IsToken(r.Method) || string(r.Target) != path && method != "CONNECT":
			t.Fatalf("request is %+v", r)
		case len(r.Authority) == 0 || !ValidAuthority(r.Authority):
			t.Fatalf("authority is %q", r.Authority)
		case method != "CONNECT" && (len(r.Path) == 0 || r.Path[0] != '/' && string(r.Path) != "*"):
			t.Fatalf("path is %q", r.Path)
		case ended && r.ContentLength != 0:
			t.Fatalf("length is %d", r.ContentLength)
		}
		cookies := 0
		for _, f := range r.Header.Fields() {
			if !IsLowerToken(f.Name) || !IsValue(f.Value) {
				t.Fatalf("%q: %q", f.Name, f.Value)
			}
			if string(f.Name) == "cookie" {
				cookies++
			}
		}
		if cookies > 1 {
			t.Fatalf("%d cookie fields", cookies)
		}
	})
}
