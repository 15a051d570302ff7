package contract

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	quichttp "github.com/quic-go/quic-go/http3"

	"github.com/asteri/asteri-loop"
	asterihttp1 "github.com/asteri/asteri-loop/http1"
	asterihttp2 "github.com/asteri/asteri-loop/http2"
	asterihttp3 "github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/settings/selfsigned"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/loop"
)

// patience bounds every wait. It is only ever waited out by a test that fails.
const patience = 20 * time.Second

var certificate = sync.OnceValue(func() tls.Certificate {
	c, err := selfsigned.Certificate([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		panic(err)
	}
	return c
})

// server serves a handler over one protocol.
type server struct {
	t      *testing.T
	name   string
	engine *enginetest.Engine
	log    logtest.Text
	url    string

	mu    sync.Mutex
	conns []net.Conn // of the clients, over TCP
}

// overAll runs a test over every protocol.
func overAll(t *testing.T, h func(t *testing.T) asteri.Handler, test func(t *testing.T, s *server), opts ...asteri.Option) {
	for _, name := range []string{"http1", "http1 over TLS", "http2", "http3"} {
		t.Run(name, func(t *testing.T) {
			test(t, serve(t, name, h(t), opts...))
		})
	}
}

func serve(t *testing.T, name string, h asteri.Handler, opts ...asteri.Option) *server {
	t.Helper()
	s := &server{t: t, name: name}
	s.engine = enginetest.Start(t, loop.Config{Loops: 1, Logger: s.log.Logger()})
	opts = append([]asteri.Option{asteri.WithLogger(s.log.Logger())}, opts...)
	conf := &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: []string{"h2", "http/1.1"}}
	secure := func() *tls.Config { return conf }
	switch name {
	case "http1":
		s.url = "http://" + s.engine.Listen(asterihttp1.Protocol(h, opts...)).String()
	case "http1 over TLS":
		s.url = "https://" + s.engine.ListenWith(loop.ListenConfig{Protocols: []loop.Protocol{asterihttp1.Protocol(h, opts...)}, TLS: secure}).String()
	case "http2":
		p := asterihttp2.Config{MaxConcurrentStreams: 3}.Protocol(h, opts...)
		s.url = "https://" + s.engine.ListenWith(loop.ListenConfig{Protocols: []loop.Protocol{p}, TLS: secure}).String()
	case "http3":
		q, err := asterihttp3.Listen(s.engine.Engine, asterihttp3.Config{Addr: "127.0.0.1:0", TLS: secure, MaxConcurrentStreams: 3}, h, opts...)
		if err != nil {
			t.Fatal(err)
		}
		s.url = "https://" + q.Addr().String()
	}
	return s
}

// dial opens a connection over TCP, and notes it.
func (s *server) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
	}
	return c, err
}

// client returns a client with connections of its own.
func (s *server) client() *http.Client {
	conf := &tls.Config{InsecureSkipVerify: true}
	if s.name == "http3" {
		conf.NextProtos = []string{"h3"}
		tr := &quichttp.Transport{TLSClientConfig: conf}
		s.t.Cleanup(func() { _ = tr.Close() })
		return &http.Client{Transport: tr, Timeout: patience}
	}
	tr := &http.Transport{DialContext: s.dial, TLSClientConfig: conf, Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(s.name != "http2")
	tr.Protocols.SetHTTP2(s.name == "http2")
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// answer is what a client got: a status, or none if there was no whole response.
type answer struct {
	status int
	body   string
}

// ask sends a request and waits for the answer.
func (s *server) ask(c *http.Client, path string, body []byte) answer {
	s.t.Helper()
	if body == nil {
		return s.send(c, path, nil)
	}
	return s.send(c, path, bytes.NewReader(body))
}

// send is ask for any content, nil for none.
func (s *server) send(c *http.Client, path string, content io.Reader) answer {
	s.t.Helper()
	method := http.MethodGet
	if content != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, s.url+path, content)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		if strings.Contains(err.Error(), "Client.Timeout") {
			s.t.Errorf("%s: no answer: %v", path, err)
		}
		return answer{}
	}
	defer resp.Body.Close()
	p, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}
	}
	return answer{resp.StatusCode, string(p)}
}

// want is ask for an answer that is known.
func (s *server) want(c *http.Client, path string, body []byte, want answer) {
	s.t.Helper()
	if got := s.ask(c, path, body); got.status != want.status || want.body != "" && got.body != want.body {
		s.t.Errorf("%s: got %d %.80q, want %d %q", path, got.status, got.body, want.status, want.body)
	}
}

// wantLogged waits for a text in the log.
func (s *server) wantLogged(text string) {
	s.t.Helper()
	eventually(s.t, "the log says "+text, func() bool { return s.log.Has(text) })
}

// wantNoConnections waits until the server has none.
func (s *server) wantNoConnections() {
	s.t.Helper()
	eventually(s.t, "all connections are gone", func() bool { return s.engine.Stats().Loops[0].Connections == 0 })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("did not happen in time: " + what)
		}
	}
}

// receive waits for a value.
func receive[T any](t *testing.T, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("did not happen in time: " + what)
	}
	return v
}

// header makes a header with one field.
func header(name, value string) *asteri.Header {
	h := new(asteri.Header)
	h.Add(name, value)
	return h
}

func ok(x asteri.Exchange) { _ = x.Respond(200, nil, []byte("ok")) }

// bodySink is a sink made of functions.
type bodySink struct {
	body func(p []byte)
	end  func()
	fail func(err error)
}

func (s bodySink) OnBody(p []byte) {
	if s.body != nil {
		s.body(p)
	}
}

func (s bodySink) OnEnd(*asteri.Header) {
	if s.end != nil {
		s.end()
	}
}

func (s bodySink) OnError(err error) {
	if s.fail != nil {
		s.fail(err)
	}
}
