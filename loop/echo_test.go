package loop_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/loop"
)

// protocol makes sessions of a function.
type protocol struct {
	name  string
	start func(loop.Conn) loop.Session
}

func (p protocol) Name() string                        { return p.name }
func (p protocol) Match(string, []byte) loop.Verdict   { return loop.Yes }
func (p protocol) NewSession(c loop.Conn) loop.Session { return p.start(c) }
func echo() loop.Protocol {
	return protocol{"echo", func(c loop.Conn) loop.Session { return &echoSession{conn: c} }}
}

// echoSession sends back what it gets, and reads no more than the peer takes.
type echoSession struct {
	conn   loop.Conn
	paused bool
	closed chan error
}

func (s *echoSession) OnData(in []byte) (int, error) {
	if s.conn.Write(in) > 256<<10 {
		s.conn.PauseRead()
		s.paused = true
	}
	return len(in), nil
}
func (s *echoSession) OnEOF() {
	if !s.paused {
		s.conn.CloseWhenFlushed(false)
	}
}
func (s *echoSession) OnDrain() {
	s.conn.ResumeRead()
	s.paused = false
}
func (s *echoSession) OnTimer(loop.Timer) {}
func (s *echoSession) OnShutdown()        { s.conn.CloseWhenFlushed(false) }
func (s *echoSession) OnClose(err error) {
	if s.closed != nil {
		s.closed <- err
	}
}

// start runs an engine until the test ends.
func start(t *testing.T, cfg loop.Config) *loop.Engine {
	t.Helper()
	if cfg.GracefulTimeout == 0 {
		cfg.GracefulTimeout = 2 * time.Second
	}
	e, err := loop.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		var late *loop.DrainError // of sessions that do not heed OnShutdown
		if err := <-done; err != nil && !errors.As(err, &late) && !errors.Is(err, loop.ErrStopped) {
			t.Error(err)
		}
	})
	return e
}

func listen(t *testing.T, e *loop.Engine, cfg loop.ListenConfig) net.Addr {
	t.Helper()
	ln, err := e.ListenWith(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return ln.Addr()
}

func dial(t *testing.T, a net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

// roundTrip sends size random bytes, half-closes, and wants them back.
func roundTrip(t *testing.T, c net.Conn, size int) {
	t.Helper()
	sent := make([]byte, size)
	rand.Read(sent)
	sent[0] = 'x' // a TLS handshake would be taken for one
	go func() {
		c.Write(sent)
		c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent, got) {
		t.Fatalf("got %d bytes back, not the %d sent", len(got), len(sent))
	}
}

func TestEcho(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", ":0", "unix:" + path} {
		for _, adaptive := range []bool{false, true} {
			e := start(t, loop.Config{Loops: 3, Adaptive: adaptive})
			a := listen(t, e, loop.ListenConfig{Addr: addr, Protocols: []loop.Protocol{echo()}})
			for range 5 {
				roundTrip(t, dial(t, a), 3<<20)
			}
			e.Drain()
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket file was left behind")
	}
}

func TestEchoTLS(t *testing.T) {
	cert := selfSigned(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		e := start(t, loop.Config{Loops: 2})
		server := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"echo"}}
		a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", TLS: func() *tls.Config { return server },
			Protocols: []loop.Protocol{echo()}, Plain: []loop.Protocol{echo()}})
		for range 3 {
			raw := dial(t, a)
			c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, NextProtos: []string{"echo"}})
			roundTrip(t, c, 3<<20)
			roundTrip(t, dial(t, a), 1<<20)
		}
		if n := e.Stats().Handshakes; n != 0 {
			t.Errorf("%d handshakes are still counted", n)
		}
	}
}

// fileSession sends a file and closes.
type fileSession struct {
	echoSession
	path string
}

func (s *fileSession) OnData(in []byte) (int, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return 0, err
	}
	st, _ := f.Stat()
	s.conn.Write([]byte("<"))
	s.conn.SendFile(f, 0, st.Size())
	s.conn.Write([]byte(">"))
	s.conn.CloseWhenFlushed(false)
	return len(in), nil
}

func TestSendFile(t *testing.T) {
	cert := selfSigned(t)
	for _, size := range []int{1, 30 << 10, 33 << 10, 5 << 20} {
		path := filepath.Join(t.TempDir(), "f")
		want := make([]byte, size)
		rand.Read(want)
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		want = append(append([]byte("<"), want...), '>')
		e := start(t, loop.Config{Loops: 1})
		p := protocol{"file", func(c loop.Conn) loop.Session { return &fileSession{echoSession{conn: c}, path} }}
		a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{p}, Plain: []loop.Protocol{p},
			TLS: func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }})
		for _, c := range []net.Conn{dial(t, a), tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true})} {
			c.Write([]byte("x"))
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("size %d: got %d bytes of %d, error %v", size, len(got), len(want), err)
			}
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
