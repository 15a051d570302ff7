//go:build linux

package suite

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// curl runs curl and returns its output.
func curl(t testing.TB, args ...string) []byte {
	t.Helper()
	var out, log bytes.Buffer
	cmd := exec.Command("curl", append([]string{"-sSk", "--max-time", "60"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Errorf("curl %q: %v: %s", args, err, log.String())
	}
	return out.Bytes()
}

// assets makes a folder of files to serve.
func assets(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"small.css": []byte(strings.Repeat("a { color: red }\n", 200)),
		"large.bin": random(5<<20 + 17),
		"10k.bin":   random(10 << 10),
		"empty.txt": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func random(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.Read(p) // never fails
	return p
}

// TestStaticFiles fetches files with curl, by every protocol.
func TestStaticFiles(t *testing.T) {
	t.Parallel()
	dir := assets(t)
	s := start(t, "--static", "/s="+dir, "--static-max-age", "1h")
	for _, way := range [][]string{{"http", "--http1.1"}, {"https", "--http1.1"}, {"https", "--http2"}, {"http", "--http2-prior-knowledge"}} {
		base := way[0] + "://" + s.addr + "/s/"
		for _, name := range []string{"small.css", "large.bin", "10k.bin", "empty.txt"} {
			want, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // from the disk, and from the cache
				if got := curl(t, way[1], base+name); !bytes.Equal(got, want) {
					t.Errorf("%s over %v: %d bytes of %d", name, way, len(got), len(want))
				}
			}
			if len(want) > 1000 {
				if got := curl(t, way[1], "-r", "1000-", base+name); !bytes.Equal(got, want[1000:]) {
					t.Errorf("the rest of %s over %v: %d bytes of %d", name, way, len(got), len(want)-1000)
				}
			}
			etag := filepath.Join(t.TempDir(), "etag")
			curl(t, way[1], "--etag-save", etag, base+name)
			if got := curl(t, way[1], "--etag-compare", etag, "-o", os.DevNull, "-w", "%{http_code}", base+name); string(got) != "304" && string(got) != "200" {
				t.Errorf("%s again over %v: %s", name, way, got)
			}
		}
		if got := curl(t, way[1], "--path-as-is", "-o", os.DevNull, "-w", "%{http_code}", base+"../../etc/passwd"); string(got) != "404" {
			t.Errorf("traversal over %v: %s", way, got)
		}
	}
	s.over(t, "http").get("/plaintext").want(t, 200)
}

// TestStaticFileThatShrinks: what was announced and cannot be sent ends in a
// reset, never in a clean end.
func TestStaticFileThatShrinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f.bin")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--static", "/s="+dir)
	for _, scheme := range []string{"http", "https"} {
		c := s.over(t, scheme)
		res, err := c.http.Do(c.request("GET", "/s/f.bin", nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 1000); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("%s: %d bytes and a clean end", scheme, n)
		}
		res.Body.Close()
		if err := os.Truncate(path, 64<<20); err != nil {
			t.Fatal(err)
		}
	}
}

func unpack(t testing.TB, coding string, p []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(p)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		z, err = zstd.NewReader(r)
		defer func() { z.Close() }()
		r = z
	}
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("%s: %v", coding, err)
	}
	return plain
}

// TestCompression: the same responses, compressed.
func TestCompression(t *testing.T) {
	t.Parallel()
	dir := assets(t)
	css, err := os.ReadFile(filepath.Join(dir, "small.css"))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, "--static", "/s="+dir, "--compress", "zstd,br,gzip:6", "--compress-types", "text/*,application/octet-stream")
	for _, scheme := range []string{"http", "https"} {
		c := s.over(t, scheme)
		for _, coding := range []string{"gzip", "br", "zstd"} {
			a := c.get("/s/small.css", "Accept-Encoding: "+coding)
			if got := unpack(t, coding, []byte(a.want(t, 200))); !bytes.Equal(got, css) || a.Header.Get("Content-Encoding") != coding {
				t.Errorf("%s: %d bytes, %v", coding, len(got), a.Header)
			}
			tag := a.Header.Get("ETag")
			if !strings.HasPrefix(tag, "W/") || a.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: %v", coding, a.Header)
			}
			if again := c.get("/s/small.css", "Accept-Encoding: "+coding, "If-None-Match: "+tag); again.StatusCode != http.StatusNotModified {
				t.Errorf("%s, again: %d", coding, again.StatusCode)
			}
			large := c.get("/bytes/3000000", "Accept-Encoding: "+coding)
			if got := unpack(t, coding, []byte(large.want(t, 200))); len(got) != 3000000 {
				t.Errorf("%s: %d bytes", coding, len(got))
			}
		}
		events, err := c.http.Do(c.request("GET", "/events", nil, "Accept-Encoding: gzip"))
		if err != nil {
			t.Fatal(err)
		}
		in, err := gzip.NewReader(events.Body)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 8) // which does not wait for the second event
		if _, err := io.ReadFull(in, first); err != nil || events.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("first event: %q, %v, %v", first, err, events.Header)
		}
		events.Body.Close()
	}
	if got := curl(t, "--compressed", "--http2", "https://"+s.addr+"/s/small.css"); !bytes.Equal(got, css) {
		t.Errorf("curl --compressed over HTTP/2: %d bytes of %d", len(got), len(css))
	}
}

// TestMounts: several applications in one server, and a server behind it.
func TestMounts(t *testing.T) {
	t.Parallel()
	behind := start(t, app("wsgi_probe:app", "gthread")...)
	s := start(t, app("wsgi_probe:app", "sync",
		"--mount", "/api=asgi_probe:app,workers=2",
		"--mount", "/app/tornado=tornado_app:make_app(),worker-class=gtornado",
		"--mount", "/app=flask_app:app,worker-class=gthread,threads=2",
		"--mount", "Admin.example/=wsgi_probe:app,worker-class=gevent",
		"--mount", "/behind=http://"+behind.addr+"/",
		"--mount", "/dead=http://127.0.0.1:1",
		"--dirty-apps", "/whole=wsgi_probe:app")...)
	for _, at := range []string{"/api", "/app/tornado", "/app", "admin.example/"} {
		s.awaitLog(`worker ready .*app=` + at + ` `)
	}
	s.awaitLog(`Serving: /api is asgi_probe:app under asgi`)
	c := s.over(t, "https")
	type paths map[string]any
	environ := func(path string, headers ...string) paths {
		return decode[paths](t, c.get(path, headers...))
	}
	for _, want := range []struct {
		path, host string
	}{
		{"/environ", ""},
		{"/environ", "Host: ADMIN.example:8443"},
		{"/behind/environ", ""},
	} {
		var headers []string
		if want.host != "" {
			headers = append(headers, want.host)
		}
		e := environ(want.path, headers...)
		if e["SCRIPT_NAME"] != "" || e["PATH_INFO"] != "/environ" {
			t.Errorf("%s %s: %v %v", want.path, want.host, e["SCRIPT_NAME"], e["PATH_INFO"])
		}
		equal(t, "threads, which gevent has and sync has not", e["wsgi.multithread"], any(want.host != ""))
	}
	if e := environ("/behind/environ"); e["HTTP_X_FORWARDED_FOR"] != "127.0.0.1" || e["HTTP_X_FORWARDED_PROTO"] != "https" {
		t.Errorf("behind: %v", e)
	}
	if scope := decode[paths](t, c.get("/%61pi/some%20where")); scope["root_path"] != "/api" || scope["path"] != "/api/some where" {
		t.Errorf("scope: %v %v", scope["root_path"], scope["path"])
	}
	equal(t, "a dirty app's path", string(unhex(t, c.get("/whole/x").want(t, 200))), "/whole/x")
	c.get("/app/").want(t, 200)
	c.get("/app/tornado/").want(t, 200)
	c.get("/dead/x").want(t, 502)
	c.get("/readyz").want(t, 200)
	contains(t, c.get("/asteri-status.json").want(t, 200), `"at":"/api"`, `"at":"admin.example/"`, `"name":"flask_app:app"`)
	s.signal(syscall.SIGHUP)
	s.awaitLog(`INFO\] Reloaded`)
	if e := environ("/environ"); e["SCRIPT_NAME"] != "" {
		t.Errorf("after a reload: %v", e)
	}
	if _, log, code := execute(t, append(app("wsgi_probe:app", "", "--check-config"), "--mount", "/x=broken:app")...); code != 3 || !strings.Contains(log, "/x: ") {
		t.Errorf("check of a mount that cannot be imported: %d\n%s", code, log)
	}
}
