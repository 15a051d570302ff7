package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
)

// newProxy returns a proxy that is closed with the test.
func newProxy(t *testing.T, o Options) *Handler {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// front serves a proxy to the tests and returns its URL.
func front(t *testing.T, o Options) string {
	t.Helper()
	return serve(t, newProxy(t, o))
}

func serve(t *testing.T, h *Handler) string {
	t.Helper()
	return "http://" + enginetest.Serve(t, http1.Protocol(h))
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s\n%s\n%s %s\n", r.Method, r.RequestURI, r.Host, r.Proto, r.Header["Connection"])
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Te", "Keep-Alive", "X-Hop", "User-Agent"} {
		for _, v := range r.Header[name] {
			fmt.Fprintf(w, "%s: %s\n", name, v)
		}
	}
	_, _ = io.Copy(w, r.Body)
}

func TestRequestAsTheServerGetsIt(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	base := front(t, Options{Target: server.URL})
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/a%2Fb//c?x=%20&y", strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example"
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	req.Header.Set("Forwarded", "for=203.0.113.9")
	req.Header.Set("Connection", "X-Hop")
	req.Header.Set("X-Hop", "mine")
	req.Header.Set("User-Agent", "tester")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	want := "POST /a%2Fb//c?x=%20&y\nshop.example\nHTTP/1.1 []\n" +
		"X-Forwarded-For: 127.0.0.1\nX-Forwarded-Host: shop.example\nX-Forwarded-Proto: http\n" +
		"Forwarded: for=127.0.0.1;host=\"shop.example\";proto=http\nUser-Agent: tester\ncontent"
	if string(body) != want {
		t.Errorf("got  %q\nwant %q", body, want)
	}
}

func TestPaths(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) }))
	server.Config.DisableGeneralOptionsHandler = true
	server.Start()
	defer server.Close()
	for _, c := range []struct{ path, prefix, ask, want string }{
		{"", "/x", "/x/a%2Fb?q", "/x/a%2Fb?q"},
		{"/", "/x", "/x/a%2Fb?q", "/a%2Fb?q"},
		{"/", "/x", "/x", "/"},
		{"/", "/x", "/x?q", "/?q"},
		{"/", "/x", "/%78/y", "/y"},
		{"/base/", "/x/y", "/x/y/z", "/base/z"},
		{"/base", "/x/y", "/x/y/", "/base/"},
		{"/base", "", "/z", "/base/z"},
		{"", "/x", "/x?a=1;b=2&q=100%25&r=50%", "/x?a=1;b=2&q=100%25&r=50%"}, // which net/url cannot parse
		// The server gets the path that the request was routed by.
		{"/", "/x", "/x/%7ey/./a/../%c3%a9", "/~y/%C3%A9"},
		{"", "/x", "/y/../x/a", "/x/a"},
		{"/pub", "/x", "/x/..", "404"},
		{"/pub", "/x", "/x/../admin", "404"},
		{"/pub", "/x", "/x/%2e%2E/admin", "404"},
		{"/pub", "", "/../admin", "/pub/admin"},
		{"/pub", "/x", "/x/.", "/pub/"},
		{"/pub", "/x", "/x//../admin", "/pub/admin"},
		{"/pub", "/x", "/x//admin", "/pub//admin"},
		{"/", "", "//host/a", "//host/a"},
		{"/pub", "/x", "/x/%252e%252e/admin", "/pub/%252e%252e/admin"},
		{"/pub", "/x", "/x/a%2Fb|c", "/pub/a%2Fb%7Cc"}, // slashes stay encoded whatever stands beside them
		{"/pub", "/x", "/x/..%2fadmin", "400"},
		{"/pub", "/x", "/x/a%2F..%2F..%2fadmin", "400"},
		{"/pub", "/x", "/x/..%5cadmin", "400"},
		{"/pub", "/x", "/x/..\\admin", "400"},
		{"/pub", "/x", "/x/..;/admin", "400"},
		{"/pub", "/x", "/x/..%00/admin", "400"},
		{"/pub", "", "/..%2fadmin", "400"},
		{"", "/x", "http://x/x/../x/a?q", "/x/a?q"},
		{"/pub", "/x", "http://x/x/../admin", "404"},
		{"/pub", "", "http://x", "/pub/"},
		{"/", "", "*", "*"},
		{"", "", "*", "*"},
		{"/pub", "", "*", "404"},
	} {
		h := newProxy(t, Options{Target: server.URL + c.path, Prefix: c.prefix})
		if got := ask(t, h, c.ask); got != c.want {
			t.Errorf("%s at %s, asked for %s: %s, want %s", c.path, c.prefix, c.ask, got, c.want)
		}
	}
}

// ask sends a request for a target as it is, and returns the content of a response of
// success, or its status.
func ask(t *testing.T, h *Handler, target string) string {
	t.Helper()
	conn, err := net.Dial("tcp", enginetest.Serve(t, http1.Protocol(h)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	method := http.MethodGet
	if target == "*" {
		method = http.MethodOptions
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, target)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.StatusCode)
	}
	return string(body)
}

func TestUnixSocketAndHTTP2(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	if _, got := get(t, front(t, Options{Target: "unix:" + path})+"/u"); !strings.HasPrefix(got, "GET /u\n") {
		t.Errorf("over a Unix socket: %q", got)
	}

	secure := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	h := newProxy(t, Options{Target: secure.URL})
	h.transport.TLSClientConfig = &tls.Config{RootCAs: secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12}
	if _, got := get(t, serve(t, h)+"/s"); !strings.Contains(got, "\nHTTP/2.0 ") {
		t.Errorf("over TLS: %q", got)
	}
}

func TestLargeBodiesBothWays(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	base := front(t, Options{Target: server.URL})
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	res, err := http.Post(base+"/", "", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes of %d, %v", len(got), len(content), err)
	}
}

func TestStreamingInterimAndTrailers(t *testing.T) {
	goOn := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "Checksum")
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		<-goOn
		_, _ = io.WriteString(w, " second")
		w.Header().Set("Checksum", "42")
	}))
	defer server.Close()
	hints := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if code == 103 && h.Get("Link") != "" {
			hints++
		}
		return nil
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", front(t, Options{Target: server.URL}), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, len("first"))
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first" {
		t.Fatalf("%q, %v", first, err)
	}
	close(goOn)
	rest, err := io.ReadAll(res.Body)
	if err != nil || string(rest) != " second" || res.Trailer.Get("Checksum") != "42" || hints != 1 {
		t.Errorf("%q, %v, trailer %v, %d early hints", rest, err, res.Trailer, hints)
	}
}

func TestLateServer(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	if res, _ := get(t, front(t, Options{Target: server.URL, Timeout: time.Millisecond})); res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("late: %d", res.StatusCode)
	}
}

func TestBrokenResponses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "100")
		}
		_, _ = io.WriteString(w, "part")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	var log logtest.Text
	base := front(t, Options{Target: server.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	wantCut(t, base, "/length", "/chunked")
	if text := log.String(); strings.Count(text, "broke off its response") != 2 || strings.Contains(text, "httputil") {
		t.Errorf("the log says:\n%s", text)
	}
}

func TestNoServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := ln.Addr().String()
	ln.Close()
	if res, _ := get(t, front(t, Options{Target: "http://" + dead})); res.StatusCode != http.StatusBadGateway {
		t.Errorf("no server: %d", res.StatusCode)
	}
	if _, err := New(Options{Target: "ftp://x"}); err == nil {
		t.Error("an FTP server will do")
	}
}

func TestClientThatLeavesEndsTheRequest(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", front(t, Options{Target: server.URL}), nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-began; leave() }()
	if res, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		if err == nil {
			res.Body.Close()
		}
		t.Errorf("client got %v", err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the server still works for a client that left")
	}
}

// upgrader answers a handshake and echoes bytes.
func upgrader(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "no WebSocket", http.StatusTeapot)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\nX-Own: yes\r\n\r\n",
		accepted(r.Header.Get("Sec-WebSocket-Key")))
	_ = rw.Flush()
	_, _ = io.Copy(conn, rw)
}

func TestWebSocket(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(upgrader))
	defer server.Close()
	base := front(t, Options{Target: server.URL})
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	key := "dGhlIHNhbXBsZSBub25jZQ=="
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", key)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 101 || res.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || res.Header.Get("X-Own") != "yes" {
		t.Fatalf("%d, %v", res.StatusCode, res.Header)
	}
	for _, message := range []string{"one", strings.Repeat("long", 50_000)} {
		go func() { _, _ = io.WriteString(conn, message) }()
		got := make([]byte, len(message))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != message {
			t.Errorf("%d bytes back, %v", len(got), err)
		}
	}
}

// A client that spoke anything but WebSocket with the server could ask it for what
// lies outside the mount.
func TestOtherUpgradesAreNotPassedOn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header["Upgrade"], r.Header["Connection"], r.Header["Http2-Settings"])
	}))
	defer server.Close()
	base := front(t, Options{Target: server.URL})
	for _, upgrade := range []string{"h2c", "TLS/1.0", "h2c, websocket", "websocket, h2c", "web\u017focket"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", base, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Connection", "Upgrade, HTTP2-Settings")
		req.Header.Set("Upgrade", upgrade)
		req.Header.Set("HTTP2-Settings", "AAMAAABkAAQAAP__")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || string(got) != "[] [] []" {
			t.Errorf("%s: %d, server got %s", upgrade, res.StatusCode, got)
		}
		res.Body.Close()
	}
}

func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy"} { // which clients of the tests would heed
		os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// wantCut checks that the responses to GET requests do not end well.
func wantCut(t *testing.T, base string, paths ...string) {
	t.Helper()
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: enginetest.Patience} // which asks no second time
	for _, path := range paths {
		res, err := once.Get(base + path)
		if err != nil { // the reset may overtake the head
			continue
		}
		if got, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%s ends well: %q", path, got)
		}
		res.Body.Close()
	}
}
