package urlpath

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
)

func TestNormal(t *testing.T) {
	for raw, want := range map[string]string{
		"/":                  "/",
		"/a/b":               "/a/b",
		"*":                  "*",
		"":                   "",
		"//a//b/":            "//a//b/", // empty segments mean something (RFC 3986 section 3.3)
		"/a.b/.c/d./...":     "/a.b/.c/d./...",
		"/ng/.":              "/ng/",
		"/ng/..":             "/",
		"/ng/./x":            "/ng/x",
		"/ng/../admin/":      "/admin/",
		"/ng/x/../y":         "/ng/y",
		"/ng/%2e%2e/admin/":  "/admin/",
		"/ng/.%2E/admin":     "/admin",
		"/ng/%2e/x":          "/ng/x",
		"/../../x":           "/x",
		"/..":                "/",
		"/.":                 "/",
		"/ng;x/..":           "/",
		"/ng;x/../y":         "/y",
		"/ng//../admin":      "/ng/admin",
		"/ng//../../admin":   "/admin",
		"//e.com/../../x":    "/x",
		"//e.com/../x":       "//x",
		"/%6Eg/%7Ex":         "/ng/~x",
		"/a%2fb%c3%a9":       "/a%2Fb%C3%A9",
		"/a%2Fb":             "/a%2Fb",
		"/a%5Cb\\c":          "/a%5Cb\\c",
		"/ng/%252e%252e/x":   "/ng/%252e%252e/x", // decoded once
		"/ng/%25%32%65/x":    "/ng/%252e/x",
		"/a%3Fb%23c":         "/a%3Fb%23c",
		"/x;a=..":            "/x;a=..",
		"/x..;/..y":          "/x..;/..y",
		"/a%zz/../%4":        "/%4", // which no parser lets pass
		"/é/%C3%A9":          "/é/%C3%A9",
		"/ng/..%2fadmin":     "/ng/..%2Fadmin!",
		"/ng/%2e%2e%2fadmin": "/ng/..%2Fadmin!",
		"/ng%2f..%2fadmin":   "/ng%2F..%2Fadmin!",
		"/ng/%2f../admin":    "/ng/%2F../admin!",
		"/ng/x%2f../admin":   "/ng/x%2F../admin!",
		"/ng/..%5cadmin":     "/ng/..%5Cadmin!",
		"/ng/..\\admin":      "/ng/..\\admin!",
		"/ng/x\\..\\admin":   "/ng/x\\..\\admin!",
		"/ng\\.":             "/ng\\.!",
		"/ng/x%2f.":          "/ng/x%2F.!",
		"/ng/..;/admin":      "/ng/..;/admin!",
		"/ng/..;a=b/admin":   "/ng/..;a=b/admin!",
		"/ng/..%3b/admin":    "/ng/..%3B/admin!",
		"/ng/..%00/admin":    "/ng/..%00/admin!",
		"/ng/...%2f/x":       "/ng/...%2F/x",
		"/..%2f/../ng/x":     "/ng/x",
	} {
		got, ambiguous := Normal([]byte(raw))
		text := string(got)
		if ambiguous {
			text += "!"
		}
		if text != want {
			t.Errorf("%q: %q, want %q", raw, text, want)
		}
	}
}

// A path without "/.", "%" and a backslash costs no allocation, and neither does one that
// is normal already.
func TestNormalPathsAreTakenAsTheyAre(t *testing.T) {
	for _, raw := range []string{"/", "/static/app.js", "/caf%C3%A9/", "/.well-known/x", "/a%2Fb"} {
		p := []byte(raw)
		if n := testing.AllocsPerRun(100, func() { Normal(p) }); n > 0 {
			t.Errorf("%s: %v allocations", raw, n)
		}
	}
}

func FuzzNormal(f *testing.F) {
	for _, s := range []string{"/a/../b", "/%2e%2E/..%2f", "//a/./..", "/a%2fb%5c..;x", "*", "/%", "/a/b/.."} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		normal, ambiguous := Normal(raw)
		if !bytes.Equal(raw, before) {
			t.Fatalf("%q was changed", before)
		}
		if _, err := url.PathUnescape(string(raw)); err != nil {
			return // no request has broken escapes
		}
		again, same := Normal(normal)
		if !bytes.Equal(again, normal) || same != ambiguous {
			t.Fatalf("%q becomes %q, %t and then %q, %t", raw, normal, ambiguous, again, same)
		}
		if len(raw) == 0 || raw[0] != '/' {
			return
		}
		if len(normal) == 0 || normal[0] != '/' {
			t.Fatalf("%q becomes %q", raw, normal)
		}
		plain, err := url.PathUnescape(string(normal))
		if err != nil {
			t.Fatalf("%q becomes %q: %v", raw, normal, err)
		}
		found := false // what any decoder can find
		for _, seg := range strings.FieldsFunc(plain, func(r rune) bool { return r == '/' || r == '\\' }) {
			seg, _, _ = strings.Cut(seg, ";")
			seg, _, _ = strings.Cut(seg, "\x00")
			found = found || seg == "." || seg == ".."
		}
		if found != ambiguous {
			t.Fatalf("%q becomes %q, ambiguous is %t", raw, normal, ambiguous)
		}
	})
}

func BenchmarkNormal(b *testing.B) {
	for _, raw := range []string{"/plaintext", "/static/js/vendor/bootstrap.bundle.min.js", "/caf%C3%A9/menu", "/a/../b"} {
		b.Run(raw, func(b *testing.B) {
			p := []byte(raw)
			b.ReportAllocs()
			for b.Loop() {
				Normal(p)
			}
		})
	}
}
