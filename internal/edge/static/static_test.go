package static

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// longAgo is when files of tests were changed, unless they say otherwise.
var longAgo = time.Date(2024, 2, 29, 12, 0, 0, 123456789, time.UTC)

// makeFolder makes a folder with files: names and contents.
func makeFolder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), content, longAgo)
	}
	return dir
}

func write(t testing.TB, path, content string, changed time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, changed, changed); err != nil {
		t.Fatal(err)
	}
}

// site serves folders to tests.
type site struct {
	t testing.TB
	h *Handler
	e *exchangetest.Executor
}

func newSite(t testing.TB, o Options) *site {
	t.Helper()
	h, err := New(asteri.HandlerFunc(application), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return &site{t, h, exchangetest.NewExecutor(t)}
}

// application is what stands behind the files.
func application(x asteri.Exchange) {
	_ = x.Respond(299, nil, []byte("application"))
}

// get asks for target with fields, given as "Name: value".
func (s *site) get(target string, fields ...string) exchangetest.Result {
	return s.do("GET", target, fields...)
}

func (s *site) do(method, target string, fields ...string) exchangetest.Result {
	s.t.Helper()
	r := asteri.Request{Method: method, Target: []byte(target)}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return exchangetest.New(s.t, s.e, r).Answer(s.h)
}

func field(r exchangetest.Result, name string) string { return string(r.Header.Get(name)) }

func TestFilesAreServedByteForByte(t *testing.T) {
	sizes := []int{0, 1, 1000, smallFile, smallFile + 1, 1 << 20}
	files := make(map[string]string)
	for _, n := range sizes {
		files[fmt.Sprintf("%d.bin", n)] = strings.Repeat("0123456789abcdef", n/16+1)[:n]
	}
	s := newSite(t, Options{Mounts: []Mount{{"/s/", makeFolder(t, files)}}})
	for _, n := range sizes {
		for _, round := range []string{"cold", "cached"} {
			name := fmt.Sprintf("%d.bin", n)
			r := s.get("/s/" + name)
			if r.Status != 200 || string(r.Body) != files[name] || field(r, "Content-Length") != fmt.Sprint(n) {
				t.Errorf("%s, %s: %d, %d bytes, Content-Length %s", name, round, r.Status, len(r.Body), field(r, "Content-Length"))
			}
			if round == "cached" && r.Kept {
				t.Errorf("%s: a cached file is not answered at once", name)
			}
			if h := s.do("HEAD", "/s/"+name); h.Status != 200 || len(h.Body) != 0 || field(h, "Content-Length") != fmt.Sprint(n) {
				t.Errorf("HEAD %s: %d, %d bytes, Content-Length %s", name, h.Status, len(h.Body), field(h, "Content-Length"))
			}
		}
	}
}

func TestConditionsAndRanges(t *testing.T) {
	content := "0123456789"
	dir := makeFolder(t, map[string]string{"a.txt": content, "empty.txt": "", "large.txt": strings.Repeat(content, 10000)})
	s := newSite(t, Options{Mounts: []Mount{{"/", dir}}, MaxAge: time.Hour})
	tag := field(s.get("/a.txt"), "ETag")
	if tag == "" || tag[0] != '"' {
		t.Fatalf("entity tag is %q", tag)
	}
	const (
		exactly = "Thu, 29 Feb 2024 12:00:00 GMT"
		before  = "Thu, 29 Feb 2024 11:59:59 GMT"
		after   = "Thu, 29 Feb 2024 12:00:01 GMT"
		rfc850  = "Thursday, 29-Feb-24 12:00:00 GMT"
		asctime = "Thu Feb 29 12:00:00 2024"
	)
	for _, c := range []struct {
		fields []string
		status int
		body   string // of 200 and 206
	}{
		{nil, 200, content},

		// Section 13.1.2: If-None-Match, compared weakly.
		{[]string{"If-None-Match: " + tag}, 304, ""},
		{[]string{"If-None-Match: W/" + tag}, 304, ""},
		{[]string{"If-None-Match: *"}, 304, ""},
		{[]string{"If-None-Match: \"x\""}, 200, content},
		{[]string{"If-None-Match: \"x\", " + tag}, 304, ""},
		{[]string{"If-None-Match: \"x,y\" ,, W/\"z\" , " + tag}, 304, ""},
		{[]string{"If-None-Match: \"x\"", "If-None-Match: " + tag}, 304, ""},
		{[]string{"If-None-Match: " + strings.Trim(tag, `"`)}, 200, content},
		{[]string{"If-None-Match: \"unfinished"}, 200, content},
		{[]string{"If-None-Match: "}, 200, content},

		// 13.1.3: If-Modified-Since.
		{[]string{"If-Modified-Since: " + exactly}, 304, ""},
		{[]string{"If-Modified-Since: " + after}, 304, ""},
		{[]string{"If-Modified-Since: " + before}, 200, content},
		{[]string{"If-Modified-Since: " + rfc850}, 304, ""},
		{[]string{"If-Modified-Since: " + asctime}, 304, ""},
		{[]string{"If-Modified-Since: yesterday"}, 200, content},
		{[]string{"If-None-Match: \"x\"", "If-Modified-Since: " + exactly}, 200, content},
		{[]string{"If-None-Match: " + tag, "If-Modified-Since: " + before}, 304, ""},

		// 13.1.1: If-Match, compared strongly.
		{[]string{"If-Match: " + tag}, 200, content},
		{[]string{"If-Match: *"}, 200, content},
		{[]string{"If-Match: W/" + tag}, 412, ""},
		{[]string{"If-Match: \"x\""}, 412, ""},
		{[]string{"If-Match: \"x\", " + tag}, 200, content},

		// 13.1.4: If-Unmodified-Since.
		{[]string{"If-Unmodified-Since: " + exactly}, 200, content},
		{[]string{"If-Unmodified-Since: " + before}, 412, ""},
		{[]string{"If-Unmodified-Since: never"}, 200, content},
		{[]string{"If-Match: " + tag, "If-Unmodified-Since: " + before}, 200, content},

		// 13.2.2: precedence.
		{[]string{"If-Match: \"x\"", "If-None-Match: " + tag}, 412, ""},
		{[]string{"If-Match: " + tag, "If-None-Match: " + tag}, 304, ""},
		{[]string{"If-Unmodified-Since: " + before, "If-Modified-Since: " + exactly}, 412, ""},
		{[]string{"If-None-Match: " + tag, "Range: bytes=0-1"}, 304, ""},
		{[]string{"If-Match: \"x\"", "Range: bytes=0-1"}, 412, ""},

		// 14.1.2 and 14.2: ranges.
		{[]string{"Range: bytes=0-0"}, 206, "0"},
		{[]string{"Range: bytes=2-4"}, 206, "234"},
		{[]string{"Range: bytes=7-"}, 206, "789"},
		{[]string{"Range: bytes=7-100"}, 206, "789"},
		{[]string{"Range: bytes=-3"}, 206, "789"},
		{[]string{"Range: bytes=-100"}, 206, content},
		{[]string{"Range: BYTES=0-1"}, 206, "01"},
		{[]string{"Range: bytes= 0-1 "}, 206, "01"},
		{[]string{"Range: bytes=9-9"}, 206, "9"},
		{[]string{"Range: bytes=10-"}, 416, ""},
		{[]string{"Range: bytes=10-20,99-"}, 416, ""},
		{[]string{"Range: bytes=-0"}, 416, ""},
		{[]string{"Range: bytes=2-1"}, 200, content},
		{[]string{"Range: bytes=a-b"}, 200, content},
		{[]string{"Range: bytes=1"}, 200, content},
		{[]string{"Range: bytes=-"}, 200, content},
		{[]string{"Range: bytes="}, 200, content},
		{[]string{"Range: bytes=,"}, 200, content},
		{[]string{"Range: bytes"}, 200, content},
		{[]string{"Range: lines=0-1"}, 200, content},
		{[]string{"Range: bytes=0-18446744073709551617"}, 206, content},
		{[]string{"Range: bytes=18446744073709551616-"}, 416, ""},
		{[]string{"Range: bytes=99-,0-1"}, 206, "01"},
		{[]string{"Range: bytes=0-,0-"}, 200, content},
		{[]string{"Range: bytes=0-0" + strings.Repeat(",1-1", 40)}, 200, content},
		{[]string{"Range: bytes=0-1", "Range: bytes=2-3"}, 200, content},
		{[]string{"Range: bytes=0-1-2"}, 200, content},
		{[]string{"Range: bytes=+0-1"}, 200, content},

		// 13.1.5: If-Range.
		{[]string{"If-Range: " + tag, "Range: bytes=0-1"}, 206, "01"},
		{[]string{"If-Range: W/" + tag, "Range: bytes=0-1"}, 200, content},
		{[]string{"If-Range: \"x\"", "Range: bytes=0-1"}, 200, content},
		{[]string{"If-Range: " + exactly, "Range: bytes=0-1"}, 206, "01"},
		{[]string{"If-Range: " + after, "Range: bytes=0-1"}, 200, content},
		{[]string{"If-Range: " + before, "Range: bytes=0-1"}, 200, content},
		{[]string{"If-Range: \"x\"", "Range: bytes=99-"}, 200, content},
		{[]string{"If-Range: " + tag}, 200, content},
	} {
		name := strings.Join(c.fields, "; ")
		r := s.get("/a.txt", c.fields...)
		if r.Status != c.status {
			t.Errorf("%s: %d, want %d", name, r.Status, c.status)
			continue
		}
		switch c.status {
		case 200, 206:
			if string(r.Body) != c.body {
				t.Errorf("%s: %q, want %q", name, r.Body, c.body)
			}
			if field(r, "ETag") != tag || field(r, "Last-Modified") != exactly || field(r, "Cache-Control") != "public, max-age=3600" {
				t.Errorf("%s: %v", name, r.Header.Fields())
			}
			if (c.status == 206) != r.Header.Has("Content-Range") {
				t.Errorf("%s: Content-Range is %q", name, field(r, "Content-Range"))
			}
		case 304:
			if field(r, "ETag") != tag || field(r, "Cache-Control") == "" || r.Header.Has("Content-Type") || len(r.Body) > 0 {
				t.Errorf("%s: %q, %v", name, r.Body, r.Header.Fields())
			}
		case 416:
			if got := field(r, "Content-Range"); got != "bytes */10" {
				t.Errorf("%s: Content-Range is %q", name, got)
			}
		}
		// HEAD is the same without content, and knows no ranges.
		want := c.status
		if want == 206 || want == 416 {
			want = 200
		}
		if h := s.do("HEAD", "/a.txt", c.fields...); h.Status != want || len(h.Body) > 0 && want < 400 {
			t.Errorf("HEAD with %s: %d, want %d", name, h.Status, want)
		}
	}
	if r := s.get("/empty.txt", "Range: bytes=0-"); r.Status != 416 || field(r, "Content-Range") != "bytes */0" {
		t.Errorf("range of an empty file: %d, %q", r.Status, field(r, "Content-Range"))
	}
	if r := s.get("/large.txt", "Range: bytes=99995-"); r.Status != 206 || string(r.Body) != "56789" {
		t.Errorf("range of a large file: %d, %q", r.Status, r.Body)
	}
}

func TestSeveralRanges(t *testing.T) {
	large := strings.Repeat("0123456789", 20000)
	dir := makeFolder(t, map[string]string{"a.txt": large[:10], "large.bin": large})
	s := newSite(t, Options{Mounts: []Mount{{"/", dir}}})
	for _, c := range []struct {
		target, ranges string
		parts          []string // Content-Range and content
	}{
		{"/a.txt", "bytes=0-1, 8-", []string{"bytes 0-1/10", "01", "bytes 8-9/10", "89"}},
		{"/a.txt", "bytes=-2,0-0,50-", []string{"bytes 8-9/10", "89", "bytes 0-0/10", "0"}},
		{"/large.bin", "bytes=1-3,100000-100009", []string{"bytes 1-3/200000", "123", "bytes 100000-100009/200000", "0123456789"}},
	} {
		r := s.get(c.target, "Range: "+c.ranges)
		kind, params, err := mime.ParseMediaType(field(r, "Content-Type"))
		if r.Status != 206 || err != nil || kind != "multipart/byteranges" || r.Header.Has("Content-Range") {
			t.Errorf("%s of %s: %d, %v", c.ranges, c.target, r.Status, r.Header.Fields())
			continue
		}
		if field(r, "Content-Length") != fmt.Sprint(len(r.Body)) {
			t.Errorf("%s: Content-Length %s, body of %d", c.ranges, field(r, "Content-Length"), len(r.Body))
		}
		var got []string
		parts := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"])
		for {
			p, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			content, _ := io.ReadAll(p)
			got = append(got, p.Header.Get("Content-Range"), string(content))
			if p.Header.Get("Content-Type") == "" {
				t.Error("part without its type")
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.parts) {
			t.Errorf("%s: %q, want %q", c.ranges, got, c.parts)
		}
	}
}

func TestNothingOutsideIsServed(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret.txt"), "secret", longAgo)
	dir := makeFolder(t, map[string]string{
		"a.txt": "public", ".env": "secret", ".git/config": "secret", "sub/.hidden": "secret", "sub/b.txt": "public",
		".well-known/security.txt": "public",
	})
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(filepath.Join(outside, "secret.txt"), "absolute.txt")
	link("../"+filepath.Base(outside)+"/secret.txt", "relative.txt")
	link(outside, "out")
	link("sub/b.txt", "inside.txt")
	link("loop.txt", "loop.txt")
	rel, err := filepath.Rel(dir, filepath.Join(outside, "secret.txt"))
	if err != nil {
		t.Fatal(err)
	}
	targets := []string{
		"/absolute.txt", "/relative.txt", "/out/secret.txt", "/out/", "/loop.txt",
		"/.env", "/%2eenv", "/.git/config", "/sub/.hidden", "/a%2ftxt", "/sub%5cb.txt",
		"/a.txt%00", "/a.txt%00.png", "/a.txt/", "/a.txt/b", "/" + strings.Repeat("x", 300),
		"/" + strings.Repeat("x/", 2500) + "y", "/%", "/sub", "/sub/",
	}
	for _, mountAt := range []string{"", "/s"} {
		s := newSite(t, Options{Mounts: []Mount{{mountAt, dir}}})
		want := 404
		if mountAt == "" {
			want = 299 // the application's
		}
		for _, target := range targets {
			if r := s.get(mountAt + target); r.Status != want || bytes.Contains(r.Body, []byte("secret")) {
				t.Errorf("%s: %d, %q", mountAt+target, r.Status, r.Body)
			}
		}
		for target, want := range map[string]int{ // by where they lead, which is not here; or they hide that
			"/" + rel: 299, "/sub/../../" + rel: 299, "/../": 299, "/..": 299, "/" + strings.ReplaceAll(rel, "..", "%2e%2e"): 299,
			"/" + strings.ReplaceAll(rel, "/", "%2f"): 400, "/" + strings.ReplaceAll(rel, "/", "\\"): 400, "/..;/a.txt": 400,
		} {
			if mountAt == "" {
				want = 299
			}
			if r := s.get(mountAt + target); r.Status != want || bytes.Contains(r.Body, []byte("secret")) {
				t.Errorf("%s: %d, %q; want %d", mountAt+target, r.Status, r.Body, want)
			}
		}
		for target, want := range map[string]string{
			"/inside.txt": "public", "/sub//b.txt": "public", "/%61.txt": "public", "/./a.txt": "public", "/sub/../a.txt": "public", "/sub/%2e%2e/a.txt": "public",
		} {
			if r := s.get(mountAt + target); r.Status != 200 || string(r.Body) != want {
				t.Errorf("%s: %d, %q", mountAt+target, r.Status, r.Body)
			}
		}
	}
	if r := newSite(t, Options{Mounts: []Mount{{"", dir}}}).get("/.well-known/security.txt"); r.Status != 200 {
		t.Errorf(".well-known: %d", r.Status)
	}
	open := newSite(t, Options{Mounts: []Mount{{"/s", dir}}, FollowSymlinks: true})
	for _, target := range []string{"/s/absolute.txt", "/s/out/secret.txt"} {
		if r := open.get(target); r.Status != 200 || string(r.Body) != "secret" {
			t.Errorf("links are followed; %s: %d", target, r.Status)
		}
	}
	if r := open.get("/s/loop.txt"); r.Status != 404 {
		t.Errorf("link to itself: %d", r.Status)
	}
}

func TestWhatIsNoFileIsNotOpenedForLong(t *testing.T) {
	dir := makeFolder(t, map[string]string{"a.txt": "a"})
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "socket")}); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, Options{Mounts: []Mount{{"/s", dir}}})
	for _, name := range []string{"pipe", "socket"} {
		if r := s.get("/s/" + name); r.Status != 404 {
			t.Errorf("%s: %d", name, r.Status)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	if os.Geteuid() == 0 {
		if kindOf(os.ErrPermission) != forbidden {
			t.Error("a file without permission is not forbidden")
		}
		return // root reads everything
	}
	dir := makeFolder(t, map[string]string{"a.txt": "a"})
	if err := os.Chmod(filepath.Join(dir, "a.txt"), 0); err != nil {
		t.Fatal(err)
	}
	if r := newSite(t, Options{Mounts: []Mount{{"/s", dir}}}).get("/s/a.txt"); r.Status != 403 {
		t.Errorf("unreadable file: %d", r.Status)
	}
}

func TestFolders(t *testing.T) {
	dir := makeFolder(t, map[string]string{
		"index.html": "top", "docs/index.html": "docs", "empty/.keep": "", "a b&c/index.html": "odd", "evil.com/index.html": "evil",
	})
	for _, c := range []struct {
		prefix, target string
		status         int
		want           string // body, or Location
	}{
		{"/s", "/s/", 200, "top"},
		{"/s", "/s", 301, "/s/"},
		{"/s", "/s?a=b", 301, "/s/?a=b"},
		{"/s", "/s/docs/", 200, "docs"},
		{"/s", "/s/docs", 301, "/s/docs/"},
		{"/s", "/s/docs?x=%20", 301, "/s/docs/?x=%20"},
		{"/s", "/s/a%20b&c", 301, "/s/a%20b&c/"},
		{"/s", "/s/a%20b%26c/", 200, "odd"},
		{"/s", "/s/empty", 404, ""},
		{"/s", "/s/empty/", 404, ""},
		{"/s", "/s/docs/index.html/", 404, ""},
		{"", "/", 200, "top"},
		{"", "/docs", 301, "/docs/"},
		{"", "//evil.com", 301, "/evil.com/"},
	} {
		r := newSite(t, Options{Mounts: []Mount{{c.prefix, dir}}}).get(c.target)
		got := string(r.Body)
		if r.Status == 301 {
			got = field(r, "Location")
		}
		if r.Status != c.status || c.status != 404 && got != c.want {
			t.Errorf("%s: %d, %q; want %d, %q", c.target, r.Status, got, c.status, c.want)
		}
	}
}

func TestPrecompressedSiblings(t *testing.T) {
	dir := makeFolder(t, map[string]string{
		"app.js": "plain", "app.js.br": "brotli", "app.js.gz": "gzip",
		"old.css": "plain", "alone.css": "plain", "pic.png": "png", "pic.png.gz": "no",
		"index.html": "index", "index.html.zst": "zstd",
	})
	write(t, filepath.Join(dir, "old.css.gz"), "outdated", longAgo.Add(-time.Hour))
	s := newSite(t, Options{Mounts: []Mount{{"/s", dir}}})
	for _, c := range []struct {
		target, accept string
		body, coding   string
		vary           bool
	}{
		{"/s/app.js", "", "plain", "", true},
		{"/s/app.js", "gzip", "gzip", "gzip", true},
		{"/s/app.js", "gzip, br", "brotli", "br", true},
		{"/s/app.js", "gzip;q=1, br;q=0.5", "gzip", "gzip", true},
		{"/s/app.js", "br;q=0", "plain", "", true},
		{"/s/app.js", "*;q=0", "plain", "", true},
		{"/s/app.js.gz", "gzip", "gzip", "", false},
		{"/s/old.css", "gzip", "plain", "", false},
		{"/s/alone.css", "gzip", "plain", "", false},
		{"/s/pic.png", "gzip", "png", "", false},
		{"/s/", "zstd", "zstd", "zstd", true},
	} {
		fields := []string{"Accept-Encoding: " + c.accept}
		if c.accept == "" {
			fields = nil
		}
		r := s.get(c.target, fields...)
		if string(r.Body) != c.body || field(r, "Content-Encoding") != c.coding || r.Header.Has("Vary") != c.vary {
			t.Errorf("%s for %q: %q, %v", c.target, c.accept, r.Body, r.Header.Fields())
		}
		if !r.Header.Has("ETag") {
			t.Errorf("%s for %q: no ETag", c.target, c.accept)
			continue
		}
		again := s.get(c.target, append(fields, "If-None-Match: "+field(r, "ETag"))...)
		if again.Status != 304 || again.Header.Has("Vary") != c.vary {
			t.Errorf("%s for %q, again: %d, %v", c.target, c.accept, again.Status, again.Header.Fields())
		}
	}
	plain, br := s.get("/s/app.js"), s.get("/s/app.js", "Accept-Encoding: br")
	if field(plain, "ETag") == field(br, "ETag") || field(br, "Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("representations are not told apart: %v, %v", plain.Header.Fields(), br.Header.Fields())
	}
	if r := s.get("/s/app.js", "Accept-Encoding: br", "Range: bytes=0-2"); r.Status != 206 || string(r.Body) != "bro" || field(r, "Content-Encoding") != "br" {
		t.Errorf("range of a coded representation: %d, %q", r.Status, r.Body)
	}
}

func TestMethodsAndNeighbours(t *testing.T) {
	dir := makeFolder(t, map[string]string{"a.txt": "outer", "deep/a.txt": "not this"})
	deep := makeFolder(t, map[string]string{"a.txt": "inner"})
	s := newSite(t, Options{Mounts: []Mount{{"/s", dir}, {"/s/deep", deep}}})
	for _, c := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/s/a.txt", 200, "outer"},
		{"GET", "/s/deep/a.txt", 200, "inner"},
		{"GET", "/s/deeper/a.txt", 404, ""},
		{"GET", "/sa.txt", 299, "application"},
		{"GET", "/", 299, "application"},
		{"OPTIONS", "*", 299, "application"},
		{"POST", "/s/a.txt", 405, ""},
		{"DELETE", "/s/none", 405, ""},
		{"OPTIONS", "/s/a.txt", 405, ""},
		{"POST", "/other", 299, "application"},
	} {
		r := s.do(c.method, c.target)
		if r.Status != c.status || c.body != "" && string(r.Body) != c.body {
			t.Errorf("%s %s: %d, %q", c.method, c.target, r.Status, r.Body)
		}
		if r.Status == 405 && field(r, "Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow is %q", c.method, c.target, field(r, "Allow"))
		}
	}
	through := newSite(t, Options{Mounts: []Mount{{"/s", dir}}, Fallthrough: true})
	for _, method := range []string{"GET", "POST"} {
		if r := through.do(method, "/s/none"); r.Status != 299 {
			t.Errorf("%s of what is no file, with fall-through: %d", method, r.Status)
		}
	}
}

func TestMistakesInOptions(t *testing.T) {
	dir := makeFolder(t, map[string]string{"a.txt": "a"})
	for name, mounts := range map[string][]Mount{
		"no slash": {{"s", dir}}, "twice": {{"/s", dir}, {"/s/", dir}},
		"absent": {{"/s", filepath.Join(dir, "none")}}, "a file": {{"/s", filepath.Join(dir, "a.txt")}},
	} {
		if _, err := New(nil, Options{Mounts: mounts}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAnswersFromTheCacheAllocateNothing(t *testing.T) {
	dir := makeFolder(t, map[string]string{"a.txt": "content", "a.txt.gz": "compressed"})
	s := newSite(t, Options{Mounts: []Mount{{"/s", dir}}})
	s.get("/s/a.txt")
	x := &nullExchange{request: asteri.Request{Method: "GET", Route: []byte("/s/a.txt"), Received: time.Now()}}
	x.request.Header.Add("Accept-Encoding", "gzip, br")
	x.request.Header.Add("If-None-Match", `"other"`)
	if n := testing.AllocsPerRun(100, func() { s.h.ServeExchange(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if x.status != http.StatusOK {
		t.Errorf("answered %d", x.status)
	}
}

// nullExchange takes a whole response and forgets it.
type nullExchange struct {
	asteri.Exchange
	request asteri.Request
	status  int
}

func (x *nullExchange) Request() *asteri.Request { return &x.request }

func (x *nullExchange) Respond(status int, _ *asteri.Header, _ []byte) error {
	x.status = status
	return nil
}
