package http3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/perhome"
	"github.com/asteri/asteri-loop/loop"
)

// Server is a UDP socket and the connections on it.
type Server struct {
	cfg      Config
	settings asteri.Settings
	engine   *loop.Engine
	locals   *perhome.Values[*loop.Loop, local]
	next     uint // of them, for the accepting goroutine

	udp       *socket
	transport *quic.Transport
	listener  *quic.EarlyListener

	accepting context.CancelFunc // ends it
	running   sync.WaitGroup     // the accepting goroutine and the sessions
	closing   sync.Once

	mu       sync.Mutex
	sessions map[*session]struct{}
	draining bool // no further connection is wanted

	readers     readers
	handshaking atomic.Int64
	counts      counts
}

var _ loop.Service = (*Server)(nil)

// Listen serves h over HTTP/3, on the loops of eng and for as long as it runs. The
// engine's limits on connections hold.
func Listen(eng *loop.Engine, cfg Config, h asteri.Handler, opts ...asteri.Option) (*Server, error) {
	if cfg.TLS == nil {
		return nil, errors.New("http3: TLS is required")
	}
	s := &Server{
		cfg: cfg.withDefaults(), settings: settingsOf(h, opts), engine: eng,
		sessions: make(map[*session]struct{}),
		readers:  newReaders(),
	}
	s.locals = perhome.New(func(l *loop.Loop) *local { return newLocal(s, l) })
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("http3: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.accepting = cancel
	s.running.Go(func() { s.accept(ctx) })
	if err := eng.Attach(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Bind opens a UDP socket on an address as in Config.Addr; port 0 is one that is free.
func Bind(address string) (*net.UDPConn, error) {
	addr, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	network := "udp6" // alone, as for a listener of TCP
	switch {
	case addr.IP == nil:
		network = "udp"
	case addr.IP.To4() != nil:
		network = "udp4"
	}
	return net.ListenUDP(network, addr)
}

// open opens the socket if there is none, and gives it to QUIC.
func (s *Server) open() (err error) {
	udp := s.cfg.Socket
	if udp == nil {
		if udp, err = Bind(s.cfg.Addr); err != nil {
			return err
		}
	}
	growBuffers(udp, s.settings.Logger)
	with := &s.cfg.Succession
	s.udp = newSocket(udp, ids{with.Generation}, with.Before, with.Paused)
	resets, tokens := quic.StatelessResetKey(with.key("resets")), quic.TokenGeneratorKey(with.key("tokens"))
	s.transport = &quic.Transport{
		Conn:                  s.udp,
		ConnContext:           s.admit,
		ConnectionIDGenerator: s.udp.ids,
		StatelessResetKey:     &resets,
		TokenGeneratorKey:     &tokens,
		VerifySourceAddress:   s.doubts,
	}
	withoutWarning(func() {
		roomy := func() bool { return !s.engine.Budget().Tight() }
		s.listener, err = s.transport.ListenEarly(s.cfg.tlsConfig(), s.cfg.quicConfig(roomy))
	})
	if err != nil {
		return errors.Join(err, s.udp.close())
	}
	return nil
}

// manyHandshakes is how many clients may be in their handshake before further ones
// have to prove their address.
const manyHandshakes = 256

// doubts tells whether a client has to prove its address, by a Retry packet that
// costs it a round trip and us nothing: it may be one of a flood of forged ones.
func (s *Server) doubts(client net.Addr) bool {
	return s.handshaking.Load() >= manyHandshakes || s.engine.Crowded(addrPort(client).Addr())
}

// errRefused ends connections beyond a limit.
var errRefused = errors.New("too many connections")

// admit decides whether a client may connect. ctx is that of the connection.
func (s *Server) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	if draining {
		return nil, errRefused
	}
	release, ok := s.engine.Admit(addrPort(info.RemoteAddr).Addr())
	if !ok {
		return nil, errRefused
	}
	s.handshaking.Add(1)
	h := &handshake{end: sync.OnceFunc(func() { s.handshaking.Add(-1) })}
	context.AfterFunc(ctx, func() {
		h.end()
		release()
	})
	return context.WithValue(ctx, handshakeKey{}, h), nil
}

// handshake is a connection that is not complete. end is called when it is, or is
// over.
type handshake struct{ end func() }

type handshakeKey struct{}

func endHandshake(ctx context.Context) {
	if h, ok := ctx.Value(handshakeKey{}).(*handshake); ok {
		h.end()
	}
}

// Addr returns the address of the socket.
func (s *Server) Addr() net.Addr { return s.udp.LocalAddr() }

// accept starts a session for each connection.
func (s *Server) accept(ctx context.Context) {
	for {
		conn, err := s.listener.Accept(ctx)
		if err != nil {
			return
		}
		s.next++
		home := s.engine.Loops()[s.next%uint(max(1, s.engine.Active()))]
		n, err := newSession(s, conn, s.locals.At(home))
		if err != nil || !s.enter(n) {
			closeConn(conn, codeNo, "")
			continue
		}
		s.running.Go(func() {
			n.run()
			s.leave(n)
		})
	}
}

// closeConn ends a connection, without waiting until QUIC has done so.
func closeConn(c *quic.Conn, code errorCode, reason string) {
	go func() { _ = c.CloseWithError(quic.ApplicationErrorCode(code), reason) }()
}

func (s *Server) enter(n *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.sessions[n] = struct{}{}
	s.counts.accepted.Add(1)
	return true
}

func (s *Server) leave(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, n)
}

// stopAccepting refuses new connections and returns the sessions that there are.
func (s *Server) stopAccepting() []*session {
	s.accepting()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	all := make([]*session, 0, len(s.sessions))
	for n := range s.sessions {
		all = append(all, n)
	}
	return all
}

// Drain says goodbye on all connections and waits until they are closed.
func (s *Server) Drain(ctx context.Context) {
	sessions := s.stopAccepting()
	for _, n := range sessions {
		n.at.Home.Post(n.shutdown)
	}
	for _, n := range sessions {
		select {
		case <-n.conn.Context().Done():
		case <-ctx.Done():
			n.cut()
		}
	}
}

// Close cuts all connections off and closes the socket.
func (s *Server) Close() error {
	for _, n := range s.stopAccepting() {
		n.cut()
	}
	s.running.Wait()
	s.closing.Do(s.readers.close)
	err := s.listener.Close()
	return errors.Join(err, s.transport.Close(), s.udp.close())
}

// addrPort returns the address of a UDP peer; one of IPv4 is not written as one of
// IPv6.
func addrPort(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := u.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
