//go:build linux

package suite

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
)

// The settings that no other test gives to the real server: each does there what its
// help says.

func TestHTTP2Settings(t *testing.T) {
	t.Parallel()
	s := start(t, "--http2-max-concurrent-streams", "7", "--http2-initial-window-size", "100k",
		"--http2-connection-window-size", "300k", "--http2-max-frame-size", "32k")
	conn := s.dial()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	settings, window := map[http2.SettingID]uint32{}, uint32(65535)
	for len(settings) == 0 || window == 65535 {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("%v after %v and %d", err, settings, window)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			_ = f.ForeachSetting(func(s http2.Setting) error { settings[s.ID] = s.Val; return nil })
		case *http2.WindowUpdateFrame:
			window += f.Increment
		}
	}
	equal(t, "streams", settings[http2.SettingMaxConcurrentStreams], 7)
	equal(t, "a stream's window", settings[http2.SettingInitialWindowSize], 100<<10)
	equal(t, "the connection's window", window, 300<<10)
	equal(t, "a frame", settings[http2.SettingMaxFrameSize], 32<<10)
}

// TestMaxRequests: workers are relieved, and no request is lost by it.
func TestMaxRequests(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"sync", "gthread", "gevent", "asgi", "gtornado"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			application := "wsgi_probe:app"
			if model == "asgi" {
				application = "asgi_probe:app"
			}
			s := launchServer(t, launch{args: append(app(application, model), "--max-requests", "20", "--max-requests-jitter", "10")})
			s.awaitReady()
			c := s.over(t, "http")
			for range 100 {
				equal(t, "status", c.get("/").StatusCode, 200)
			}
			s.awaitLog("worker is to be relieved")
			s.awaitLog("worker finished")
		})
	}
}

func TestHTTP2Cleartext(t *testing.T) {
	t.Parallel()
	for way, spoken := range map[string]bool{"prior-knowledge": true, "off": false} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := start(t, "--http2-cleartext", way)
			got := curl(t, "--http2", "-o", os.DevNull, "-w", "%{http_version}", "http://"+s.addr+"/plaintext")
			equal(t, "version for who asks to upgrade", string(got), "1.1") // RFC 9113 section 3.1
			c := s.over(t, "h2c")
			if a, err := c.try(c.request("GET", "/plaintext", nil)); (err == nil) != spoken {
				t.Errorf("with prior knowledge: %v, %v", a.Response, err)
			}
		})
	}
}

func TestHTTP3Settings(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	for _, early := range []bool{true, false} {
		s := start(t, "--certfile", cert, "--keyfile", key, "--http3-max-concurrent-streams", "5", "--http3-early-data", map[bool]string{true: "on", false: "off"}[early])
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		tickets := ticketCache{tls.NewLRUClientSessionCache(1), make(chan struct{}, 10)}
		config := &tls.Config{RootCAs: a.pool, ServerName: "localhost", NextProtos: []string{http3.NextProtoH3}, ClientSessionCache: tickets}
		for again := range 2 {
			conn, err := quic.DialAddrEarly(ctx, s.addr, config, nil)
			if err != nil {
				t.Fatal(err)
			}
			<-conn.HandshakeComplete()
			equal(t, "0-RTT", conn.ConnectionState().Used0RTT, early && again == 1)
			streams := 0
			for ; streams < 100; streams++ {
				if _, err := conn.OpenStream(); err != nil {
					break
				}
			}
			equal(t, "streams", streams, 5)
			select {
			case <-tickets.come:
			case <-ctx.Done():
				t.Fatal("no ticket")
			}
			_ = conn.CloseWithError(0x100, "")
		}
	}
}

// ticketCache tells when a ticket has come.
type ticketCache struct {
	tls.ClientSessionCache
	come chan struct{}
}

func (c ticketCache) Put(key string, state *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, state)
	c.come <- struct{}{}
}

// TestForwardedSettings: which fields of a proxy count, and what becomes of names that
// WSGI cannot tell apart.
func TestForwardedSettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "asteri.toml")
	if err := os.WriteFile(file, []byte("secure_scheme_headers = ['X-Front-End-Https=on']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args, headers []string
		want          environ // nil: 400
	}{
		{nil, []string{"X-Forwarded-Host: site.example"}, environ{"SERVER_NAME": "127.0.0.1"}},
		{[]string{"--forwarded-host", "on"}, []string{"X-Forwarded-Host: site.example"}, environ{"HTTP_HOST": "site.example"}},
		{nil, []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"}, nil},
		{[]string{"--forwarded-fields", "forwarded"}, []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"}, environ{"REMOTE_ADDR": "192.0.2.2"}},
		{[]string{"--forwarded-fields", "x-forwarded"}, []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"}, environ{"REMOTE_ADDR": "192.0.2.1"}},
		{nil, []string{"X_Under: 1"}, environ{"HTTP_X_UNDER": nil}},
		{[]string{"--header-map", "refuse"}, []string{"X_Under: 1"}, nil},
		{[]string{"--header-map", "dangerous"}, []string{"X_Under: 1"}, environ{"HTTP_X_UNDER": "1"}},
		{nil, []string{"X-Front-End-Https: on"}, environ{"wsgi.url_scheme": "http"}},
		{[]string{"-c", file, "-l", "127.0.0.1:0"}, []string{"X-Front-End-Https: on"}, environ{"wsgi.url_scheme": "https"}},
	} {
		t.Run(strings.Join(append(tc.args, tc.headers...), " "), func(t *testing.T) {
			t.Parallel()
			a := start(t, app("wsgi_probe:app", "sync", tc.args...)...).over(t, "http").get("/environ", tc.headers...)
			if tc.want == nil {
				equal(t, "status", a.StatusCode, 400)
				return
			}
			seen := environOf(t, a.want(t, 200))
			for key, value := range tc.want {
				seen.want(t, key, value)
			}
		})
	}
}

// TestStrangersOfProxyProtocols: who is not named as a proxy may not speak as one.
func TestStrangersOfProxyProtocols(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--proxy-protocol", "auto", "--proxy-allow-from", "192.0.2.1",
		"--protocol", "uwsgi", "--uwsgi-allow-from", "192.0.2.1")...)
	s.over(t, "http").get("/environ").want(t, 200)
	if reply := s.exchange(proxyLine + "GET /environ HTTP/1.1\r\nHost: a\r\n\r\n"); strings.Contains(reply, " 200 ") {
		t.Errorf("a PROXY header from a stranger: %q", reply)
	}
	equal(t, "uwsgi", statusOf(t, s.exchange(uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/environ"))), 403)
}

// TestMaxConnectionsPerAddress: the third connection of a client is closed, and an
// earlier one's end makes room.
func TestMaxConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	s := start(t, "--max-connections-per-address", "2", "--forwarded-allow-ips", "192.0.2.1")
	served := func(c net.Conn) bool {
		if _, err := io.WriteString(c, "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			return false
		}
		n, _ := c.Read(make([]byte, 1000))
		return n > 0
	}
	first, second := s.dial(), s.dial()
	if !served(first) || !served(second) {
		t.Fatal("two connections are too many")
	}
	if served(s.dial()) {
		t.Error("a third one is served")
	}
	first.Close()
	s.eventually("there is room again", func() bool { return served(s.dial()) })
}

func TestStatusPaths(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--status-path", "/_s", "--live-path", "/_l", "--ready-path", "/_r", "--status-host", "status.example")...)
	c := s.over(t, "http")
	contains(t, c.get("/_s.json").want(t, 200), `"workers"`)
	contains(t, c.get("/_s").want(t, 200), "<html")
	for _, path := range []string{"/_l", "/_r"} {
		if body := c.get(path).want(t, 200); body == fmt.Sprintf("%x", path) {
			t.Errorf("%s went to the application", path)
		}
	}
	for _, path := range []string{"/asteri-status", "/asteri-status.json", "/livez", "/readyz"} {
		equal(t, "the application has "+path, c.get(path).want(t, 200), fmt.Sprintf("%x", path))
	}
	c.get("/_s.json", "Host: status.example").want(t, 200)
	c.get("/_s.json", "Host: other.example").want(t, 403)
}

func TestStaticSettings(t *testing.T) {
	t.Parallel()
	dir, outside := assets(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret.txt"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	for i := range 200 { // too large to be kept as content: they stay open
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("open%d.bin", i)), make([]byte, 100<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	usual := start(t, app("wsgi_probe:app", "sync", "--static", "/s="+dir)...)
	other := start(t, app("wsgi_probe:app", "sync", "--static", "/s="+dir, "--static-fallthrough", "on",
		"--static-follow-symlinks", "on", "--static-cache-size", "64k")...)
	a, b := usual.over(t, "http"), other.over(t, "http")
	a.get("/s/none.txt").want(t, 404)
	equal(t, "what is no file", b.get("/s/none.txt").want(t, 200), fmt.Sprintf("%x", "/s/none.txt"))
	a.get("/s/link.txt").want(t, 404)
	equal(t, "what a link leads to", b.get("/s/link.txt").want(t, 200), "secret")
	held := func(s *server, c *client) int {
		before := descriptors(t, s.pid)
		for i := range 200 {
			c.get(fmt.Sprintf("/s/open%d.bin", i)).want(t, 200)
		}
		return descriptors(t, s.pid) - before
	}
	if large, small := held(usual, a), held(other, b); large < 150 || small > 100 {
		t.Errorf("%d files are kept open, with a small cache %d", large, small)
	}
}

func TestCompressMinLength(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, size := range map[string]int{"short.txt": 199, "long.txt": 200} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("a"), size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := start(t, "--static", "/s="+dir, "--compress", "gzip", "--compress-min-length", "200").over(t, "http")
	for name, want := range map[string]string{"short.txt": "", "long.txt": "gzip"} {
		equal(t, name, c.get("/s/"+name, "Accept-Encoding: gzip").Header.Get("Content-Encoding"), want)
	}
}

func TestServerTiming(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]bool{"on": true, "off": false} {
		a := start(t, app("wsgi_probe:app", "sync", "--server-timing", mode)...).over(t, "http").get("/pid")
		if got := a.Header.Get("Server-Timing"); strings.Contains(got, "dur=") != want {
			t.Errorf("%s: %q", mode, got)
		}
	}
}

// TestLoggerLevel: a level for one logger of an application.
func TestLoggerLevel(t *testing.T) {
	t.Parallel()
	s := start(t, app("says:wsgi", "sync", "--logger-level", "says=critical")...)
	id := s.over(t, "http").get("/").want(t, 200)
	s.awaitLog("warned for " + id) // which it says after what it logs
	if strings.Contains(s.log.text(), "logged for") {
		t.Error("the logger has spoken")
	}
}

// TestCertReqs: gunicorn's way to ask for client certificates.
func TestCertReqs(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	s := start(t, "--certfile", cert, "--keyfile", key, "--ca-certs", a.file, "--cert-reqs", "2")
	trust := &tls.Config{RootCAs: a.pool, ServerName: "localhost", MaxVersion: tls.VersionTLS12}
	if _, err := s.handshake(trust); err == nil {
		t.Error("nobody asked for a certificate")
	}
	trust.Certificates = []tls.Certificate{a.client("ali")}
	ask(t, s.mustHandshake(trust), "/plaintext").want(t, 200)
}
