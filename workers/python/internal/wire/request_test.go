package wire

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

func encoded(t *testing.T, wsgi bool, r *asteri.Request, body Content) []any {
	t.Helper()
	e := requestEncoder{Form: Form{WSGI: wsgi}}
	e.Reset(nil, &atoms)
	e.List(2)
	e.request(7, r, body)
	e.request(8, r, body) // nothing of the first may stay
	v, err := marshal.Decode(e.Buf)
	if err != nil {
		t.Fatal(err)
	}
	list := v.([]any)
	first, second := list[0].([]any), list[1].([]any)
	if !reflect.DeepEqual(first[1:], second[1:]) {
		t.Errorf("the second request is %v, the first %v", second, first)
	}
	return first
}

func requestOf(fields ...string) *asteri.Request {
	r := &asteri.Request{
		Method: "POST", Proto: asteri.HTTP11, Scheme: "https", Path: []byte("/a%20b"), Query: []byte("q=\xe9"),
		Authority: []byte("host:1"), ContentLength: 3,
		Peer: &asteri.Peer{Remote: netip.MustParseAddrPort("[::ffff:10.0.0.1]:99"), Local: netip.MustParseAddrPort("[::1]:443")},
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

func TestRequestForWSGI(t *testing.T) {
	r := requestOf("Host", "other", "Cookie", "a=1", "X-One", "1", "cookie", "b=2", "x-one", "2", "X_One", "bad",
		"Content-Type", "text/x", "Content-Length", "3", "Accept", "caf\xe9")
	got := encoded(t, true, r, Content{Inline: []byte("abc"), Length: 3})
	want := []any{
		int64(7), "POST", "https", "1.1", []byte("/a%20b"), "q=é",
		map[string]any{"HTTP_HOST": "host:1", "HTTP_COOKIE": "a=1; b=2", "HTTP_X_ONE": "1, 2", "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "3", "HTTP_ACCEPT": "café"},
		[]any{"10.0.0.1", int64(99)}, []any{"::1", int64(443)}, []byte("abc"), int64(3),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// What a trusted proxy says has keys that no field of a client becomes.
func TestRequestOfAProxyForWSGI(t *testing.T) {
	for want, proxy := range map[string]*asteri.Proxy{
		"map[HTTP_HOST:host:1 HTTP_SCRIPT_NAME:/evil]":                                  {},
		"map[HTTP_HOST:host:1 HTTP_SCRIPT_NAME:/evil SCRIPT_NAME:/app]":                 {Root: "/app"},
		"map[HTTP_HOST:host:1 HTTP_SCRIPT_NAME:/evil REMOTE_USER:b\u00f6b]":             {User: "b\xf6b"},
		"map[HTTP_HOST:host:1 HTTP_SCRIPT_NAME:/evil REMOTE_USER:bob SCRIPT_NAME:/app]": {Root: "/app", User: "bob"},
	} {
		r := requestOf("Script-Name", "/evil", "SCRIPT_NAME", "/evil", "REMOTE_USER", "eve")
		r.Peer.Proxy = proxy
		if got := fmt.Sprint(encoded(t, true, r, Content{})[6]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestUnderscoresAsHyphens(t *testing.T) {
	e := requestEncoder{Form: Form{WSGI: true, Underscores: true}}
	e.Reset(nil, &atoms)
	e.List(1)
	e.request(7, requestOf("X-Forwarded-For", "1", "X_Forwarded_For", "2", "My_Own", "3", "my-own", "4", "Content_Length", "9"), Content{})
	v, err := marshal.Decode(e.Buf)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(v.([]any)[0].([]any)[6])
	if want := "map[HTTP_HOST:host:1 HTTP_MY_OWN:3, 4 HTTP_X_FORWARDED_FOR:1, 2]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRequestForASGI(t *testing.T) {
	r := requestOf("Cookie", "a=1", "COOKIE", "b=2", "X_One", "kept", "X-Two", "\xff")
	r.Peer = &asteri.Peer{SocketPath: "/run/s"}
	got := encoded(t, false, r, Content{Stream: true, Length: -1})
	b := func(s string) []byte { return []byte(s) }
	want := []any{
		int64(7), "POST", "https", "1.1", b("/a%20b"), b("q=\xe9"),
		[]any{
			[]any{b("host"), b("host:1")}, []any{b("cookie"), b("a=1")}, []any{b("cookie"), b("b=2")},
			[]any{b("x_one"), b("kept")}, []any{b("x-two"), b("\xff")},
		},
		nil, []any{"/run/s", nil}, nil, int64(-1),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := encoded(t, false, r, Content{File: descriptors.NewFile(os.Stdin), Length: 1 << 33})[9]; got != int64(1<<33) {
		t.Errorf("a body in a file is %v", got)
	}
}

// ASGI and Tornado get the root that a trusted proxy says in a place of its own.
func TestRequestOfAProxyForASGI(t *testing.T) {
	r := requestOf("Script-Name", "/evil", "SCRIPT_NAME", "/evil")
	r.Peer.Proxy = &asteri.Proxy{}
	if got := encoded(t, false, r, Content{}); len(got) != 11 {
		t.Errorf("got %q", got)
	}
	r.Peer.Proxy.Root = "/caf\xc3\xa9"
	if got := encoded(t, false, r, Content{}); len(got) != 12 || !reflect.DeepEqual(got[11], []byte("/caf\xc3\xa9")) {
		t.Errorf("got %q", got)
	}
}

func TestFieldNamesAreFoundWhateverTheirCase(t *testing.T) {
	for _, f := range fieldTable.slots {
		if f == nil {
			continue
		}
		for _, name := range []string{f.name, strings.ToUpper(f.name), strings.ToTitle(f.name[:1]) + f.name[1:]} {
			if fieldTable.find([]byte(name)) != f {
				t.Errorf("%q is not found", name)
			}
		}
	}
	for _, name := range []string{"", "x", "accepts", "x-forwarded-fox"} {
		if fieldTable.find([]byte(name)) != nil {
			t.Errorf("%q is found", name)
		}
	}
}

func TestLevels(t *testing.T) {
	for python, want := range map[int64]slog.Level{10: slog.LevelDebug, 20: slog.LevelInfo, 30: slog.LevelWarn, 40: slog.LevelError} {
		if got := Level(python); got != want || PythonLevel(got) != python {
			t.Errorf("%d: %v and back %d", python, got, PythonLevel(got))
		}
	}
}
