package http3_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/settings/selfsigned"
	"github.com/asteri/asteri-loop/loop"
)

// echoEarly tells what the server has made of a request in early data.
func echoEarly(x asteri.Exchange) {
	_ = x.Respond(200, nil, []byte("early-data: "+string(x.Request().Header.Get("Early-Data"))))
}

// resumable dials s and returns a way to dial it again with early data. What the server
// answers is held back, if hold, until release is called: till then the handshake is not
// complete.
func resumable(t *testing.T, s *server) func(hold bool) (c *quic.Conn, release func()) {
	conf := clientTLS()
	conf.ServerName = "localhost"
	stored := make(chan struct{}, 10)
	conf.ClientSessionCache = &sessionCache{ClientSessionCache: tls.NewLRUClientSessionCache(10), stored: stored}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	c, err := quic.DialAddr(ctx, s.http.Addr().String(), conf, &quic.Config{})
	must(t, err)
	wantServed(t, c)
	<-stored
	must(t, c.CloseWithError(h3No, ""))
	return func(hold bool) (*quic.Conn, func()) {
		held := &heldConn{released: make(chan struct{})}
		var err error
		held.PacketConn, err = net.ListenPacket("udp4", "127.0.0.1:0")
		must(t, err)
		release := sync.OnceFunc(func() { close(held.released) })
		if !hold {
			release()
		}
		tr := &quic.Transport{Conn: held}
		c, err := tr.DialEarly(ctx, s.http.Addr(), conf, &quic.Config{})
		must(t, err)
		t.Cleanup(func() {
			release()
			_ = c.CloseWithError(h3No, "")
			_ = tr.Close()
			_ = held.PacketConn.Close()
		})
		return c, release
	}
}

// heldConn delivers nothing until it is released.
type heldConn struct {
	net.PacketConn
	released chan struct{}
}

func (c *heldConn) ReadFrom(p []byte) (int, net.Addr, error) {
	<-c.released
	return c.PacketConn.ReadFrom(p)
}

type sessionCache struct {
	tls.ClientSessionCache
	stored chan struct{}
}

func (c *sessionCache) Put(key string, s *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, s)
	if s != nil {
		c.stored <- struct{}{}
	}
}

// Requests in early data are served if that does no harm, also after the certificate
// has changed.
func TestEarlyData(t *testing.T) {
	var current atomic.Pointer[tls.Config]
	load := func() {
		cert, err := selfsigned.Certificate([]string{"localhost"}, time.Now())
		must(t, err)
		current.Store(&tls.Config{Certificates: []tls.Certificate{cert}})
	}
	load()
	done := make(observer, 10)
	s := serveWith(t, http3.Config{TLS: current.Load}, echoEarly, asteri.WithObserver(done))
	again := resumable(t, s)
	<-done
	for _, when := range []string{"before a reload", "after a reload"} {
		c, release := again(true)
		get := ask(t, c, request("GET", "/"), true)
		<-done
		post := ask(t, c, request("POST", "/"), true)
		<-done
		release()
		if r := receive(t, get); string(r.content) != "early-data: 1" {
			t.Errorf("%s GET: %s %q", when, r.status(), r.content)
		}
		if r := receive(t, post); r.status() != "425" {
			t.Errorf("%s POST: %s %q", when, r.status(), r.content)
		}
		if !c.ConnectionState().Used0RTT {
			t.Errorf("%s: no early data", when)
		}
		<-c.HandshakeComplete()
		if r := receive(t, ask(t, c, request("POST", "/"), true)); r.status() != "200" || string(r.content) != "early-data: " {
			t.Errorf("%s POST, once more: %s %q", when, r.status(), r.content)
		}
		<-done
		load()
	}
}

// observer tells of each exchange's end.
type observer chan struct{}

func (o observer) ExchangeDone(*asteri.Record) { o <- struct{}{} }

func TestNoEarlyData(t *testing.T) {
	s := serveWith(t, http3.Config{NoEarlyData: true}, echoEarly)
	c, _ := resumable(t, s)(false)
	<-c.HandshakeComplete()
	next, err := c.NextConnection(context.Background())
	must(t, err)
	if r := receive(t, ask(t, next, request("POST", "/"), true)); r.status() != "200" || c.ConnectionState().Used0RTT {
		t.Errorf("status %s", r.status())
	}
}

// The handler sees the client's certificate.
func TestClientCertificate(t *testing.T) {
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(certificate().Certificate[0])
	must(t, err)
	pool.AddCert(leaf)
	conf := &tls.Config{Certificates: []tls.Certificate{certificate()}, ClientAuth: tls.RequireAnyClientCert}
	s := serveWith(t, http3.Config{TLS: func() *tls.Config { return conf }}, func(x asteri.Exchange) {
		_ = x.Respond(200, nil, []byte(strconv.Itoa(len(x.Request().Peer.TLS.PeerCertificates))))
	})
	ours := clientTLS()
	ours.Certificates = []tls.Certificate{certificate()}
	c, err := quic.DialAddr(context.Background(), s.http.Addr().String(), ours, nil)
	must(t, err)
	defer func() { _ = c.CloseWithError(h3No, "") }()
	if r := receive(t, ask(t, c, request("GET", "/"), true)); string(r.content) != "1" {
		t.Errorf("%q certificates", r.content)
	}
}

// Whoever drains answers every request that comes until it has said which are the
// last, and rejects the others so that the client may send them elsewhere.
func TestDrainLosesNoRequest(t *testing.T) {
	var served atomic.Int64
	s := serve(t, func(x asteri.Exchange) {
		served.Add(1)
		_ = x.Respond(200, nil, make([]byte, 10_000))
	})
	c := s.dial()
	wantServed(t, c)
	var clients sync.WaitGroup
	var answered, rejected atomic.Int64
	for range 8 {
		clients.Go(func() {
			for {
				str, err := c.OpenStreamSync(c.Context())
				if err != nil {
					return
				}
				_, _ = str.Write(request("GET", "/"))
				_ = str.Close()
				b, err := io.ReadAll(str)
				var reset *quic.StreamError
				switch {
				case err == nil && len(b) > 10_000:
					answered.Add(1)
				case errors.As(err, &reset) && reset.ErrorCode == h3Rejected:
					rejected.Add(1)
					return
				case errors.As(err, new(*quic.ApplicationError)):
					return // it was not served
				default:
					t.Errorf("%d bytes, %v", len(b), err)
					return
				}
			}
		})
	}
	eventually(t, "requests are served", func() bool { return answered.Load() > 100 })
	s.stop()
	clients.Wait()
	wantClosed(t, c, h3No)
	if served.Load() != answered.Load()+1 {
		t.Errorf("%d were served, %d answered, %d rejected", served.Load(), answered.Load()+1, rejected.Load())
	}
}

// Closing a connection after the last response does not cost a byte of it.
func TestGoodbyeWaitsForTheLastByte(t *testing.T) {
	s := serve(t, func(x asteri.Exchange) { _ = x.Respond(200, nil, make([]byte, 12_000)) })
	c := s.dial()
	var streams []*quic.Stream
	for range 50 {
		streams = append(streams, ask(t, c, request("GET", "/"), true))
	}
	eventually(t, "the connection is there", func() bool { return s.http.Stats().Connections == 1 })
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	for _, str := range streams {
		b, err := io.ReadAll(str)
		var reset *quic.StreamError
		if errors.As(err, &reset) && reset.ErrorCode == h3Rejected {
			continue
		}
		if err != nil || len(b) < 12_000 {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
	}
	<-stopped
}

// A client may change its address, and the handler sees the new one.
func TestMigration(t *testing.T) {
	s := serve(t, func(x asteri.Exchange) {
		_ = x.Respond(200, nil, []byte(x.Request().Peer.Remote.String()))
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	old, _ := clientSocket(t)
	c, err := old.Dial(ctx, s.http.Addr(), clientTLS(), nil)
	must(t, err)
	before := string(receive(t, ask(t, c, request("GET", "/"), true)).content)
	tr, socket := clientSocket(t)
	path, err := c.AddPath(tr)
	must(t, err)
	must(t, path.Probe(ctx))
	must(t, path.Switch())
	eventually(t, "the server sees the new address", func() bool {
		after := string(receive(t, ask(t, c, request("GET", "/"), true)).content)
		return after == socket.LocalAddr().String() && after != before
	})
	must(t, c.CloseWithError(h3No, ""))
}

func clientSocket(t *testing.T) (*quic.Transport, *net.UDPConn) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	tr := &quic.Transport{Conn: socket}
	t.Cleanup(func() { _ = tr.Close(); _ = socket.Close() })
	return tr, socket
}

// What the engine allows one client holds for HTTP/3, too.
func TestConnectionsOfAClient(t *testing.T) {
	s := serveOn(t, loop.Config{MaxConnectionsPerAddress: 2}, http3.Config{}, hello)
	one, two := s.dial(), s.dial()
	wantServed(t, one)
	wantServed(t, two)
	if c, err := quic.DialAddr(context.Background(), s.http.Addr().String(), clientTLS(), nil); err == nil {
		t.Error("a third connection was admitted")
		_ = c.CloseWithError(h3No, "")
	}
	must(t, one.CloseWithError(h3No, ""))
	eventually(t, "a place is free", func() bool {
		c, err := quic.DialAddr(context.Background(), s.http.Addr().String(), clientTLS(), nil)
		if err == nil {
			_ = c.CloseWithError(h3No, "")
		}
		return err == nil
	})
}

// A request body that nobody reads does not cost its stream, nor the client its
// connection; much of it is told to stop.
func TestUnreadBodies(t *testing.T) {
	s := serve(t, hello)
	c := s.dial()
	for range 150 { // more than there may be streams
		if r := receive(t, ask(t, c, join(request("POST", "/"), frame(0, []byte("some content")...)), true)); r.status() != "200" {
			t.Fatalf("status %s", r.status())
		}
	}
	endless := ask(t, c, join(request("POST", "/", "content-length", "1000000"), frame(0, 'x')), false)
	if r := receive(t, endless); r.status() != "200" {
		t.Errorf("status %s", r.status())
	}
	var stop *quic.StreamError
	eventually(t, "the rest is not wanted", func() bool {
		_, err := endless.Write(frame(0, 'x'))
		return errors.As(err, &stop)
	})
	if stop.ErrorCode != h3No {
		t.Errorf("code %#x", uint64(stop.ErrorCode))
	}
	wantServed(t, c)
}

// A body that does not come is given up, and so is a reader that takes nothing.
func TestStalledClients(t *testing.T) {
	stopped := make(chan error, 10)
	s := serveWith(t, http3.Config{StallTimeout: 50 * time.Millisecond}, func(x asteri.Exchange) {
		if x.Request().Method == "POST" {
			x.ReadBody(&echo{x: x})
			return
		}
		x.OnCancel(func(cause error) { stopped <- cause })
		_ = x.Start(200, nil)
		_, _ = x.Write(make([]byte, 1<<20))
	}, asteri.WithTimeouts(asteri.Timeouts{Body: 50 * time.Millisecond, KeepAlive: patience}))
	c := s.dial()
	if r := receive(t, ask(t, c, join(request("POST", "/"), frame(0, 'x')), false)); r.status() != "408" {
		t.Errorf("status %s", r.status())
	}
	small, err := quic.DialAddr(context.Background(), s.http.Addr().String(), clientTLS(), &quic.Config{InitialStreamReceiveWindow: 1000, MaxStreamReceiveWindow: 1000})
	must(t, err)
	defer func() { _ = small.CloseWithError(h3No, "") }()
	str := ask(t, small, request("GET", "/"), true)
	if cause := <-stopped; !errors.Is(cause, asteri.ErrClientGone) {
		t.Errorf("cancelled with %v", cause)
	}
	wantReset(t, str, h3Cancelled)
	if c.Context().Err() != nil {
		t.Error("the connection has ended")
	}
}

// Content in the smallest of pieces arrives, and costs no more memory than other.
func TestSmallPieces(t *testing.T) {
	s := serve(t, serveEcho)
	text := strings.Repeat("0123456789", 20_000)
	var b []byte
	for i := range len(text) {
		b = append(b, 0, 1, text[i])
	}
	c := s.dial()
	str := ask(t, c, request("POST", "/"), false)
	go func() {
		_, _ = str.Write(b)
		_ = str.Close()
	}()
	if r := receive(t, str); string(r.content) != text {
		t.Errorf("%d bytes of %d", len(r.content), len(text))
	}
}

// Urgent responses overtake others, whether the request says so or a frame that came
// before it.
func TestPriorities(t *testing.T) {
	const size = 2 << 20
	ready := make(chan struct{}, 2)
	s := serve(t, func(x asteri.Exchange) {
		ready <- struct{}{}
		n := size
		if string(x.Request().Path) == "/short" {
			n = size / 8
		}
		_ = x.Respond(200, nil, make([]byte, n))
	})
	for name, urgent := range map[string]func(c *quic.Conn) *quic.Stream{
		"field": func(c *quic.Conn) *quic.Stream {
			return ask(t, c, request("GET", "/short", "priority", "u=0"), true)
		},
		"frame": func(c *quic.Conn) *quic.Stream {
			uni(t, c, join(settings, frame(0xf0700, append(varint(4), "u=0"...)...)))
			return ask(t, c, request("GET", "/short"), true) // stream 4
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := quic.DialAddr(context.Background(), s.http.Addr().String(), clientTLS(), &quic.Config{
				InitialStreamReceiveWindow: 2 * size, MaxStreamReceiveWindow: 2 * size, InitialConnectionReceiveWindow: 4 * size, MaxConnectionReceiveWindow: 4 * size,
			})
			must(t, err)
			defer func() { _ = c.CloseWithError(h3No, "") }()
			slow := ask(t, c, request("GET", "/", "priority", "u=7"), true)
			<-ready
			fast := urgent(c)
			<-ready
			var order atomic.Int64
			var place [2]int64
			var both sync.WaitGroup
			for i, str := range []*quic.Stream{fast, slow} {
				both.Go(func() {
					receive(t, str)
					place[i] = order.Add(1)
				})
			}
			both.Wait()
			if place[0] != 1 {
				t.Error("the urgent response came last")
			}
		})
	}
}
