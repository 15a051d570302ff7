package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	idleDialers = 32               // connections being opened at the same time
	idleTimeout = 20 * time.Second // for one connection: dial, handshake, answer
)

// Idle is a set of keep-alive connections that have had one answer each.
type Idle struct {
	mu    sync.Mutex
	conns []net.Conn
}

// OpenIdle opens the connections of s and has a GET of target answered on each, or
// a message echoed, so that the server holds all that it holds for a connection
// between two requests. It fails unless every one of them is answered well.
func OpenIdle(ctx context.Context, target string, s Spec) (*Idle, error) {
	n := s.Connections
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := &Idle{conns: make([]net.Conn, 0, n)}
	tickets := make(chan struct{}, n)
	for range n {
		tickets <- struct{}{}
	}
	close(tickets)
	var dialers sync.WaitGroup
	for range idleDialers {
		dialers.Go(func() {
			for range tickets {
				if ctx.Err() != nil {
					return
				}
				c, err := openOne(ctx, target, s.Protocol)
				if err != nil {
					cancel(err)
					return
				}
				idle.add(c)
			}
		})
	}
	dialers.Wait()
	if err := context.Cause(ctx); err != nil {
		got := len(idle.conns)
		idle.Close()
		return nil, fmt.Errorf("idle connection %d of %d: %w", got+1, n, err)
	}
	return idle, nil
}

func (i *Idle) add(c net.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.conns = append(i.conns, c)
}

// Alive counts the connections that the server has not closed.
func (i *Idle) Alive() int {
	alive := 0
	for _, c := range i.conns {
		if isOpen(c) {
			alive++
		}
	}
	return alive
}

// Close closes all connections.
func (i *Idle) Close() {
	for _, c := range i.conns {
		_ = c.Close()
	}
}

func openOne(ctx context.Context, target string, p Protocol) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, idleTimeout)
	defer cancel()
	if p == WebSocket {
		return openSocket(ctx, target)
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = raw.SetDeadline(deadline)
	var stream io.ReadWriter = raw
	if u.Scheme == "https" {
		stream = tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	if err := askOnce(stream, u.Host, u.Path); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return raw, nil
}

func openSocket(ctx context.Context, target string) (net.Conn, error) {
	s, err := DialSocket(ctx, target)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = s.SetDeadline(deadline)
	if err := s.Echo(); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s.Conn, nil
}

// askOnce sends one request and reads its whole answer.
func askOnce(stream io.ReadWriter, addr, path string) error {
	if _, err := fmt.Fprintf(stream, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, addr); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(stream), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %s", resp.Status)
	case resp.Close:
		return fmt.Errorf("the server closes after one response")
	}
	return nil
}

// isOpen reads what waits at the socket, such as TLS session tickets, which
// nobody will want, and sees whether the stream ends there.
func isOpen(c net.Conn) bool {
	sys, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = sys.Control(func(fd uintptr) {
		var b [4096]byte
		n, err := 1, error(nil)
		for n > 0 {
			n, _, err = unix.Recvfrom(int(fd), b[:], unix.MSG_DONTWAIT)
		}
		open = errors.Is(err, unix.EAGAIN)
	})
	return err == nil && open
}
