package loop

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
)

// ListenConfig says where and for what to listen.
type ListenConfig struct {
	// Addr is "HOST:PORT", ":PORT" (every address, IPv4 and IPv6),
	// "[::1]:PORT", "unix:PATH", or "fd://N" for an inherited listener.
	Addr string
	// Backlog is the length of the queue of connections to be accepted.
	// Default 2048; the system may have a lower bound.
	Backlog int
	// Mode are the permissions of a Unix socket. Default 0660.
	Mode os.FileMode
	// ProxyProtocol has connections from proxies begin with a PROXY header,
	// before TLS and all else, which says who the client is. Those from
	// others must not begin with one. It has HandshakeTimeout to arrive.
	ProxyProtocol ProxyProtocol
	// Proxies tells which addresses are those of proxies; nil is none. A peer
	// at a Unix socket has the zero address. It is called from all loops.
	Proxies func(netip.Addr) bool
	// Reserved is for a listener of the operator's: its connections are accepted
	// also when clients have all the descriptors that they may have.
	Reserved bool
	// Protocols are what is spoken, in order of preference: see Protocol.Match
	// for how one of them is chosen.
	Protocols []Protocol
	// TLS, if not nil, is asked for the configuration of each handshake, on the
	// connection's loop; Protocols are then spoken inside TLS. NextProtos should
	// name them.
	TLS func() *tls.Config
	// Plain, with TLS, are the protocols for peers that do not begin with a
	// TLS handshake, as their first byte tells. Such peers are refused if it is
	// empty. Without TLS it must be.
	Plain []Protocol
	// Bound, if not nil, is where to listen: Addr, Backlog and Mode say nothing then. It
	// is the listener's from the call on, whatever comes of it.
	Bound *Bound
}

// Listener is one address that an engine listens on.
type Listener struct {
	socket
	cfg       ListenConfig
	acceptors []*acceptor
}

// Addr returns the address, with the port that the system chose for port 0.
func (ln *Listener) Addr() net.Addr { return ln.addr }

// Listen listens on addr for plain connections that speak one of the protocols.
// See ListenConfig.Addr for its form, and ListenWith for errors.
func (e *Engine) Listen(addr string, protocols ...Protocol) error {
	_, err := e.ListenWith(ListenConfig{Addr: addr, Protocols: protocols})
	return err
}

// ListenWith listens as cfg says. The address is bound when it returns; an
// engine that runs accepts from it at once. The error is a *MisuseError for a
// configuration that makes no sense, else one of Bind's, or ErrStopped, which is wrapped.
func (e *Engine) ListenWith(cfg ListenConfig) (*Listener, error) {
	b := cfg.Bound
	if err := cfg.check(); err != nil {
		if b != nil {
			b.Close()
		}
		return nil, err
	}
	if b == nil {
		var err error
		if b, err = e.Bind(cfg.Addr, cfg.Backlog, cfg.Mode); err != nil {
			return nil, err
		}
	}
	cfg.Bound = nil
	ln := &Listener{cfg: cfg, socket: b.socket}
	if err := ln.start(e, b.take()); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", ln.addr, err)
	}
	return ln, nil
}

// check tells what cannot be meant.
func (cfg *ListenConfig) check() error {
	switch {
	case len(cfg.Protocols) == 0:
		return &MisuseError{"Engine.ListenWith", "Protocols must name at least one"}
	case slices.Contains(cfg.Protocols, nil), slices.Contains(cfg.Plain, nil):
		return &MisuseError{"Engine.ListenWith", "a protocol must not be nil"}
	case cfg.TLS == nil && len(cfg.Plain) > 0:
		return &MisuseError{"Engine.ListenWith", "Plain is for listeners with TLS: without it Protocols are spoken in plain"}
	}
	return nil
}

// start gives the descriptors to the loops.
func (ln *Listener) start(e *Engine, fds []int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		closeAll(fds)
		ln.file.Remove()
		return ErrStopped
	}
	for i, fd := range fds {
		noDelay(fd)
		a := &acceptor{loop: e.loops[i%len(e.loops)], listener: ln, fd: fd}
		ln.acceptors = append(ln.acceptors, a)
		a.loop.Post(func() {
			if err := a.loop.addAcceptor(a); err != nil {
				e.cfg.Logger.Error("cannot watch a listener", "listener", ln.addr, "error", err)
			}
		})
	}
	e.listeners = append(e.listeners, ln)
	return nil
}

// close ends the listener on every loop. accepting is done when it has ended there. The
// loops must run.
func (ln *Listener) close(accepting *sync.WaitGroup) {
	for _, a := range ln.acceptors {
		accepting.Add(1)
		if !a.loop.Post(func() { defer accepting.Done(); a.remove() }) {
			accepting.Done()
		}
	}
	ln.file.Remove()
}

// unspecified reports whether host means every address of both families.
func unspecified(host string) bool { return host == "" || host == "*" }

// resolve turns a host into an address; names are looked up.
func resolve(host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a, nil
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, ip := range ips {
		if ip4 := ip.To4(); ip4 != nil {
			return netip.AddrFrom4([4]byte(ip4)), nil
		}
	}
	a, _ := netip.AddrFromSlice(ips[0])
	return a, nil
}
