package http3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// Server is a UDP socket and the connections on it.
type Server struct {
	cfg      Config
	settings asteri.Settings
	engine   *loop.Engine
	locals   []*local // one for each loop of the engine
	next     atomic.Uint32

	udp       *net.UDPConn
	transport *quic.Transport
	listener  *quic.EarlyListener
	accepting context.CancelFunc
	running   sync.WaitGroup // the accepting goroutine and the sessions

	mu       sync.Mutex
	sessions map[*session]struct{}
	draining bool

	handshaking atomic.Int64
}

var _ loop.Service = (*Server)(nil)

// Listen serves h over HTTP/3, on the loops of eng and for as long as it runs.
func Listen(eng *loop.Engine, cfg Config, h asteri.Handler, opts ...asteri.Option) (*Server, error) {
	s := &Server{
		cfg: cfg.withDefaults(), settings: settingsOf(h, opts), engine: eng,
		sessions: make(map[*session]struct{}),
	}
	if cfg.TLS == nil {
		return nil, errors.New("http3: TLS is required")
	}
	for _, l := range eng.Loops() {
		s.locals = append(s.locals, newLocal(s, l))
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("http3: %w", err)
	}
	if err := eng.Attach(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.accepting = cancel
	s.running.Go(func() { s.accept(ctx) })
	return s, nil
}

// open opens the socket and gives it to QUIC.
func (s *Server) open() error {
	addr, err := net.ResolveUDPAddr("udp", s.cfg.Addr)
	if err != nil {
		return err
	}
	if s.udp, err = net.ListenUDP("udp", addr); err != nil {
		return err
	}
	if short := growBuffers(s.udp); short != nil {
		s.settings.Logger.Warn("The system grants HTTP/3 small buffers, which costs packets under load; "+
			"raise net.core.rmem_max and net.core.wmem_max (kern.ipc.maxsockbuf) to 7500000", "addr", s.cfg.Addr, "reason", short)
	}
	var key quic.StatelessResetKey
	_, _ = rand.Read(key[:])
	s.transport = &quic.Transport{
		Conn:              s.udp,
		ConnContext:       s.admit,
		StatelessResetKey: &key,
		// A flood of first packets from forged addresses gets Retry packets,
		// which cost us no state.
		VerifySourceAddress: func(net.Addr) bool { return s.handshaking.Load() > manyHandshakes },
	}
	withoutWarning(func() {
		roomy := func() bool { return !s.engine.Budget().Over() }
		s.listener, err = s.transport.ListenEarly(s.cfg.tlsConfig(), s.cfg.quicConfig(roomy))
	})
	if err != nil {
		return errors.Join(err, s.udp.Close())
	}
	return nil
}

// manyHandshakes is how many clients may be in their handshake before further ones
// have to prove their address.
const manyHandshakes = 256

// errRefused ends connections beyond a limit.
var errRefused = errors.New("too many connections")

// admit decides whether a client may connect. ctx is that of the connection.
func (s *Server) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	s.mu.Lock()
	full := s.draining || s.cfg.MaxConnections > 0 && len(s.sessions) >= s.cfg.MaxConnections
	s.mu.Unlock()
	if full {
		return nil, errRefused
	}
	if s.cfg.Admit != nil {
		release, ok := s.cfg.Admit(addrPort(info.RemoteAddr).Addr())
		if !ok {
			return nil, errRefused
		}
		context.AfterFunc(ctx, release)
	}
	h := &handshake{count: &s.handshaking}
	h.count.Add(1)
	context.AfterFunc(ctx, h.end)
	return context.WithValue(ctx, handshakeKey{}, h), nil
}

// handshake counts a connection until it has become a session, or is over.
type handshake struct {
	count *atomic.Int64
	once  sync.Once
}

type handshakeKey struct{}

func (h *handshake) end() { h.once.Do(func() { h.count.Add(-1) }) }

func endHandshake(ctx context.Context) {
	if h, ok := ctx.Value(handshakeKey{}).(*handshake); ok {
		h.end()
	}
}

// Addr returns the address of the socket.
func (s *Server) Addr() net.Addr { return s.udp.LocalAddr() }

// Connections returns how many are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// accept starts a session for each connection.
func (s *Server) accept(ctx context.Context) {
	for {
		conn, err := s.listener.Accept(ctx)
		if err != nil {
			return
		}
		endHandshake(conn.Context())
		at := s.locals[int(s.next.Add(1))%max(1, s.engine.Active())]
		n := newSession(s, conn, at)
		if !s.enter(n) {
			_ = conn.CloseWithError(quic.ApplicationErrorCode(codeNo), "")
			continue
		}
		s.running.Go(func() {
			n.run()
			s.leave(n)
		})
	}
}

func (s *Server) enter(n *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.sessions[n] = struct{}{}
	return true
}

func (s *Server) leave(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, n)
}

// stopAccepting refuses new connections and returns the sessions that there are.
func (s *Server) stopAccepting() []*session {
	s.mu.Lock()
	s.draining = true
	all := make([]*session, 0, len(s.sessions))
	for n := range s.sessions {
		all = append(all, n)
	}
	s.mu.Unlock()
	if s.accepting != nil {
		s.accepting()
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
	err := s.listener.Close()
	return errors.Join(err, s.transport.Close(), s.udp.Close())
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
