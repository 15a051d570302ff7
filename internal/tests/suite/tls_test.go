//go:build linux

package suite

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// handshake connects and returns the connection after its handshake.
func (s *server) handshake(config *tls.Config) (*tls.Conn, error) {
	s.t.Helper()
	c := tls.Client(s.dial(), config)
	return c, c.Handshake()
}

func (s *server) mustHandshake(config *tls.Config) *tls.Conn {
	s.t.Helper()
	c, err := s.handshake(config)
	if err != nil {
		s.t.Fatalf("handshake: %v\n%s", err, s.log.tail())
	}
	return c
}

// ask sends a request on an open connection and reads the answer.
func ask(t testing.TB, c net.Conn, path string) answer {
	t.Helper()
	r, err := http.NewRequest("GET", "https://localhost"+path, nil)
	if err == nil {
		err = r.Write(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, bufio.NewReader(c), r)
}

func readAnswer(t testing.TB, from *bufio.Reader, r *http.Request) answer {
	t.Helper()
	response, err := http.ReadResponse(from, r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response, string(body)}
}

// certificateFor returns the certificate that a client sees who asks for host.
func (s *server) certificateFor(a *authority, host string) *x509.Certificate {
	s.t.Helper()
	c := s.mustHandshake(&tls.Config{RootCAs: a.pool, ServerName: host})
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func TestTLSVersionsAndALPN(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	s := start(t, app("wsgi_probe:app", "sync", "--certfile", cert, "--keyfile", key)...)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := s.mustHandshake(&tls.Config{RootCAs: a.pool, ServerName: "localhost", MinVersion: version, MaxVersion: version,
			NextProtos: []string{"nonsense", "http/1.1"}})
		state := c.ConnectionState()
		equal(t, "version", state.Version, version)
		equal(t, "protocol", state.NegotiatedProtocol, "http/1.1")
		environ := decode[map[string]any](t, ask(t, c, "/environ"))
		equal(t, "scheme", environ["wsgi.url_scheme"], any("https"))
		c.Close()
	}
	if _, err := s.handshake(&tls.Config{RootCAs: a.pool, ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	// A client that offers no protocol is served too.
	c := s.mustHandshake(&tls.Config{RootCAs: a.pool, ServerName: "localhost"})
	ask(t, c, "/pid").want(t, 200)
}

func TestTLSMinimumVersion(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	s := start(t, app("wsgi_probe:app", "sync", "--certfile", cert, "--keyfile", key, "--ssl-version", "TLSv1_3")...)
	if _, err := s.handshake(&tls.Config{RootCAs: a.pool, ServerName: "localhost", MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 was accepted")
	}
	s.mustHandshake(&tls.Config{RootCAs: a.pool, ServerName: "localhost"})
}

func TestTLSSeveralCertificates(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	one, oneKey := a.server("one.example")
	two, twoKey := a.server("two.example")
	s := start(t, app("wsgi_probe:app", "sync", "--certfile", one, "--keyfile", oneKey, "--certfile", two, "--keyfile", twoKey)...)
	for _, host := range []string{"one.example", "two.example"} {
		equal(t, "certificate", s.certificateFor(a, host).Subject.CommonName, host)
	}
	c := s.mustHandshake(&tls.Config{InsecureSkipVerify: true, ServerName: "other.example"})
	equal(t, "for any other name", c.ConnectionState().PeerCertificates[0].Subject.CommonName, "one.example")
}

func TestTLSResumption(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	s := start(t, app("wsgi_probe:app", "sync", "--certfile", cert, "--keyfile", key)...)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{RootCAs: a.pool, ServerName: "localhost", MinVersion: version, MaxVersion: version,
			ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		for i, resumed := range []bool{false, true} {
			c := s.mustHandshake(config)
			equal(t, "resumed", c.ConnectionState().DidResume, resumed)
			ask(t, c, "/pid").want(t, 200)
			c.Close()
			if i == 0 {
				s.signal(syscall.SIGHUP) // tickets survive a reload
				s.awaitLog(`(?i)reload`)
			}
		}
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.server("localhost")
	tlsArgs := []string{"--certfile", cert, "--keyfile", key, "--ca-certs", a.file}
	with := func(c ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: a.pool, ServerName: "localhost", Certificates: c}
	}
	// In TLS 1.3 the client learns of the refusal with its first read.
	refused := func(t *testing.T, s *server, config *tls.Config) {
		t.Helper()
		c, err := s.handshake(config)
		if err == nil {
			_, err = io.WriteString(c, "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil {
			t.Error("was served")
		}
	}
	t.Run("required", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("wsgi_probe:app", "sync", append(tlsArgs, "--verify-client", "required")...)...)
		ask(t, s.mustHandshake(with(a.client("ali"))), "/pid").want(t, 200)
		refused(t, s, with())
		refused(t, s, with(stranger.client("mallory")))
	})
	t.Run("optional", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("wsgi_probe:app", "sync", append(tlsArgs, "--verify-client", "optional")...)...)
		ask(t, s.mustHandshake(with(a.client("ali"))), "/pid").want(t, 200)
		ask(t, s.mustHandshake(with()), "/pid").want(t, 200)
		refused(t, s, with(stranger.client("mallory")))
	})
}

// TestPlainOnTLSPort: with a certificate plain HTTP is sent to https; without
// one the port takes both and says so.
func TestPlainOnTLSPort(t *testing.T) {
	t.Parallel()
	t.Run("redirect", func(t *testing.T) {
		t.Parallel()
		a := newAuthority(t)
		cert, key := a.server("localhost")
		s := start(t, app("wsgi_probe:app", "sync", "--certfile", cert, "--keyfile", key)...)
		c := s.over(t, "http")
		answer := c.get("/pid?a=1")
		if answer.StatusCode/100 != 3 {
			t.Errorf("status %s", answer.Status)
		}
		equal(t, "location", answer.Header.Get("Location"), "https://"+s.addr+"/pid?a=1")
	})
	t.Run("both with a certificate", func(t *testing.T) {
		t.Parallel()
		a := newAuthority(t)
		cert, key := a.server("localhost")
		s := start(t, app("wsgi_probe:app", "sync", "--certfile", cert, "--keyfile", key, "--protocols", "http,https")...)
		s.over(t, "http").get("/pid").want(t, 200)
		s.over(t, "https").get("/pid").want(t, 200)
	})
	t.Run("both without", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("wsgi_probe:app", "sync")...)
		s.over(t, "http").get("/pid").want(t, 200)
		s.over(t, "https").get("/pid").want(t, 200)
		s.awaitLog(`(?i)self-signed`)
	})
	t.Run("http only", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("wsgi_probe:app", "sync", "--protocols", "http")...)
		s.over(t, "http").get("/pid").want(t, 200)
		if _, err := s.handshake(&tls.Config{InsecureSkipVerify: true}); err == nil {
			t.Error("TLS was answered")
		}
	})
}

// TestCertificateReload: HUP brings new certificates to new connections, leaves
// open ones alone, and keeps the old ones if the new cannot be used.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	s := start(t, app("wsgi_probe:app", "sync", "--certfile", cert, "--keyfile", key, "--keep-alive", "60")...)
	before := s.certificateFor(a, "localhost").SerialNumber
	open := s.mustHandshake(&tls.Config{RootCAs: a.pool, ServerName: "localhost"})
	ask(t, open, "/pid").want(t, 200)

	a.server("localhost")
	s.signal(syscall.SIGHUP)
	s.eventually("the new certificate is shown", func() bool {
		return s.certificateFor(a, "localhost").SerialNumber.Cmp(before) != 0
	})
	ask(t, open, "/pid").want(t, 200)

	renewed := s.certificateFor(a, "localhost").SerialNumber
	if err := os.WriteFile(cert, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.awaitLog(`(?i)(error|warn).*localhost\.pem`)
	if s.certificateFor(a, "localhost").SerialNumber.Cmp(renewed) != 0 {
		t.Error("the certificate changed after a failed reload")
	}
	ask(t, open, "/pid").want(t, 200)
}

// TestWrongCertificates: mistakes end the start with a line that names the file.
func TestWrongCertificates(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("one.example")
	_, otherKey := a.server("two.example")
	for name, test := range map[string]struct{ cert, key, want string }{
		"missing file": {filepath.Join(a.dir, "none.pem"), key, "none.pem"},
		"wrong key":    {cert, otherKey, "two.example.key"},
		"not PEM":      {key, key, "one.example.key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, log, code := execute(t, app("wsgi_probe:app", "sync", "--certfile", test.cert, "--keyfile", test.key)...)
			if code <= 0 {
				t.Errorf("exit status %d", code)
			}
			contains(t, log, test.want)
		})
	}
}

// gathering holds back what is written until it is released, so that separate
// flights of a handshake leave in one segment.
type gathering struct {
	net.Conn
	mu   sync.Mutex
	hold bool
	kept []byte
}

func (g *gathering) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hold {
		g.kept = append(g.kept, p...)
		return len(p), nil
	}
	g.hold = true // the ClientHello leaves, what follows it waits
	return g.Conn.Write(p)
}

func (g *gathering) release() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold = false
	_, err := g.Conn.Write(g.kept)
	return err
}

// TestRequestWithFinished: a request that comes in the same segment as the
// client's Finished is answered, although no event will announce its bytes
// after the handshake.
func TestRequestWithFinished(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync")...)
	for _, requests := range []int{1, 3} {
		for range 20 {
			wire := &gathering{Conn: s.dial()}
			c := tls.Client(wire, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			for range requests {
				if _, err := io.WriteString(c, "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
			}
			if err := wire.release(); err != nil {
				t.Fatal(err)
			}
			from := bufio.NewReader(c)
			for range requests {
				readAnswer(t, from, nil).want(t, 200)
			}
			c.Close()
		}
	}
}

// TestHandshakeInPieces: bytes that come one by one are a handshake too.
func TestHandshakeInPieces(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync")...)
	c := tls.Client(dribble{s.dial()}, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	ask(t, c, "/pid").want(t, 200)
}

// dribble writes byte by byte.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// TestHandshakeTimeout: a client that stops within its handshake is let go, and
// many of them keep nobody else out.
func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--handshake-timeout", "2s")...)
	baseline := descriptors(t, s.pid)
	var stuck []net.Conn
	for range 200 {
		c := s.dial()
		// The first bytes of a ClientHello: enough to be taken for TLS.
		if _, err := c.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}); err != nil {
			t.Fatal(err)
		}
		stuck = append(stuck, c)
	}
	s.over(t, "https").get("/pid").want(t, 200)
	for _, c := range stuck {
		if n, err := io.Copy(io.Discard, c); n > 100 || isTimeout(err) {
			t.Fatalf("a stuck handshake got %d bytes, %v", n, err)
		}
	}
	s.quietly(baseline + 1) // the https client's own connection may still be open
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}
