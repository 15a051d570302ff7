package static

import (
	"bytes"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
)

func TestResolve(t *testing.T) {
	for raw, want := range map[string]string{
		"":                    "",
		"/":                   "",
		"/a/b.css":            "a/b.css",
		"/a//b///c":           "a/b/c",
		"/dir/":               "dir/",
		"/dir//":              "dir/",
		"/a%20b%2Bc":          "a b+c",
		"/a%2541":             "a%41",
		"/%E2%82%AC":          "€",
		"/%ff":                "\xff",
		"/a..b/..c"[:5]:       "a..b",
		"/a./b.":              "a./b.",
		"/.well-known/x":      ".well-known/x",
		"/.well-known":        ".well-known",
		"/...":                refused,
		"/.":                  refused,
		"/./a":                refused,
		"/..":                 refused,
		"/../etc/passwd":      refused,
		"/a/../../b":          refused,
		"/%2e%2e/b":           refused,
		"/.%2e/b":             refused,
		"/%2E%2E%2Fb":         refused,
		"/..%2fb":             refused,
		"/..%5cb":             refused,
		"/..\\b":              refused,
		"/a\\b":               refused,
		"/a%00.png":           refused,
		"/a\x00b":             refused,
		"/a%0a":               refused,
		"/a%2fb":              refused,
		"/a%":                 refused,
		"/a%4":                refused,
		"/a%4g":               refused,
		"/%%32%65":            refused,
		"/.git/config":        refused,
		"/a/.env":             refused,
		"/.env":               refused,
		"/%2egit/config":      refused,
		"/a/.well-known/x":    refused,
		"/.well-known/.x":     refused,
		"/.well-known2/x":     refused,
		"/x/.%00./y":          refused,
		"/a/..;/b":            refused,
		"/a/%c0%ae%c0%ae/b":   "a/\xc0\xae\xc0\xae/b", // overlong UTF-8 is not decoded: a name like any other
		"/a/%uff0e%uff0e/b":   refused,
		"/a/%252e%252e/b":     "a/%2e%2e/b", // decoded once
		"/a/..%252f":          refused,
		"/C:/boot.ini":        "C:/boot.ini",
		"/file.txt::$DATA":    "file.txt::$DATA",
		"/a\u2215..\u2215b":   "a\u2215..\u2215b",
		"/a/%7f":              refused,
		"/\tb":                refused,
		"/a/" + "b/../../../": refused,
	} {
		name, ok := resolve([]byte("kept"), []byte(raw), true)
		got := strings.TrimPrefix(string(name), "kept")
		if !ok {
			got = refused
		}
		if got != want {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	}
	if _, ok := resolve(nil, []byte("/.well-known/x"), false); ok {
		t.Error(".well-known is served where it is not at the root of the host")
	}
}

const refused = "(refused)"

// FuzzResolve holds names against what the standard library says of them.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"/a/b", "/%2e%2e/x", "/a//b/", "/.well-known/a", "/%25", "/a%2fb"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		name, ok := resolve(nil, raw, true)
		if !ok {
			return
		}
		local := strings.TrimSuffix(string(name), "/")
		if local != "" && (!filepath.IsLocal(local) || path.Clean(local) != local) {
			t.Errorf("%q becomes %q", raw, name)
		}
		if bytes.ContainsAny(name, "\x00\\") || strings.Contains(local, "/.") ||
			strings.HasPrefix(local, ".") && local != wellKnown && !strings.HasPrefix(local, wellKnown+"/") {
			t.Errorf("%q becomes %q", raw, name)
		}
		// What is escaped again stands for the same file.
		again, ok := resolve(nil, urlpath.AppendEscaped(nil, string(name)), true)
		if !ok || !bytes.Equal(again, name) {
			t.Errorf("%q becomes %q, and that %q", raw, name, again)
		}
		if s, err := url.PathUnescape(string(urlpath.AppendEscaped(nil, string(name)))); err != nil || s != string(name) {
			t.Errorf("%q is escaped as something that means %q: %v", name, s, err)
		}
	})
}
