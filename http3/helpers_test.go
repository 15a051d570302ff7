package http3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	quichttp "github.com/quic-go/quic-go/http3"
	"go.uber.org/goleak"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/settings/selfsigned"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests. It is only ever waited out by a test
// that fails.
const patience = 20 * time.Second

// server is a real engine that serves a handler over HTTP/3.
type server struct {
	t    testing.TB
	http *http3.Server
	loop *loop.Engine
	stop func() // gracefully; the engine's time for it is patience
}

var certificate = sync.OnceValue(func() tls.Certificate {
	c, err := selfsigned.Certificate([]string{"127.0.0.1", "localhost"}, time.Now())
	if err != nil {
		panic(err)
	}
	return c
})

func serve(t testing.TB, h asteri.HandlerFunc, opts ...asteri.Option) *server {
	return serveWith(t, http3.Config{}, h, opts...)
}

func serveWith(t testing.TB, cfg http3.Config, h asteri.HandlerFunc, opts ...asteri.Option) *server {
	t.Helper()
	return serveOn(t, loop.Config{}, cfg, h, opts...)
}

func serveOn(t testing.TB, lc loop.Config, cfg http3.Config, h asteri.HandlerFunc, opts ...asteri.Option) *server {
	t.Helper()
	lc.Loops = 2
	eng := enginetest.Start(t, lc)
	if cfg.TLS == nil {
		conf := &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: []string{"h2", "http/1.1"}}
		cfg.TLS = func() *tls.Config { return conf }
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	opts = append([]asteri.Option{asteri.WithTimeouts(asteri.Timeouts{KeepAlive: patience})}, opts...)
	s, err := http3.Listen(eng.Engine, cfg, h, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, http: s, loop: eng.Engine, stop: eng.Stop}
}

func (s *server) url(path string) string { return "https://" + s.http.Addr().String() + path }

// client returns quic-go's client, with a connection of its own.
func (s *server) client() *http.Client {
	tr := &quichttp.Transport{TLSClientConfig: clientTLS(), DisableCompression: true}
	s.t.Cleanup(func() { _ = tr.Close() })
	return &http.Client{Transport: tr, Timeout: patience}
}

func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.ALPN}}
}

// do sends a request and returns the response with its whole body.
func do(t testing.TB, c *http.Client, method, url string, body io.Reader) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	must(t, err)
	return send(t, c, req)
}

func send(t testing.TB, c *http.Client, req *http.Request) (*http.Response, []byte) {
	t.Helper()
	resp, err := c.Do(req)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp, b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dial opens a QUIC connection without any HTTP on it.
func (s *server) dial() *quic.Conn {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := quic.DialAddr(ctx, s.http.Addr().String(), clientTLS(), &quic.Config{})
	must(s.t, err)
	s.t.Cleanup(func() { _ = c.CloseWithError(0x100, "") })
	return c
}

// wantClosed waits for the server to close the connection with a code.
func wantClosed(t testing.TB, c *quic.Conn, code uint64) {
	t.Helper()
	select {
	case <-c.Context().Done():
	case <-time.After(patience):
		t.Fatal("the connection goes on")
	}
	var end *quic.ApplicationError
	if err := context.Cause(c.Context()); !errors.As(err, &end) || uint64(end.ErrorCode) != code || !end.Remote {
		t.Errorf("the connection ended with %v, want code %#x", err, code)
	}
}

// wantReset waits for the server to reset a stream with a code.
func wantReset(t testing.TB, str *quic.Stream, code uint64) {
	t.Helper()
	must(t, str.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, str)
	var end *quic.StreamError
	if !errors.As(err, &end) || uint64(end.ErrorCode) != code {
		t.Errorf("the stream ended with %v, want code %#x", err, code)
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("did not happen in time: " + what)
		}
	}
}
