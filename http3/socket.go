package http3

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// socket is the UDP socket as QUIC sees it. Two processes may have it open, of which one
// reads: it passes packets of connections that the other one has on to that. Both write.
type socket struct {
	*net.UDPConn
	batch *ipv4.PacketConn
	ids   ids
	// before takes the packets of the other process's connections; nil without one.
	before *net.UnixConn

	mu      sync.Mutex
	from    source
	after   *net.UnixConn // has our packets, when from is fromSuccessor
	changed chan struct{} // closed when from has changed
	ended   bool          // QUIC wants to read no more
	woken   bool          // deadlines are over, and to be none again
}

// source is where packets come from.
type source uint8

const (
	fromNetwork source = iota
	fromNowhere        // it is not our turn
	fromSuccessor
)

func newSocket(udp *net.UDPConn, ids ids, before *net.UnixConn, paused bool) *socket {
	s := &socket{UDPConn: udp, batch: ipv4.NewPacketConn(udp), ids: ids, before: before, changed: make(chan struct{})}
	if paused {
		s.from = fromNowhere
	}
	return s
}

// read has packets come from elsewhere.
func (s *socket) read(from source, after *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.after
	s.from, s.after = from, after
	s.wake()
	if before != nil { // behind the news, by which the reader knows why
		_ = before.Close()
	}
}

// wake has ReadBatch look again. The caller holds the lock.
func (s *socket) wake() {
	close(s.changed)
	s.changed, s.woken = make(chan struct{}), true
	_ = s.UDPConn.SetReadDeadline(time.Now()) // fails if it is closed, and nobody reads then
	if s.after != nil {
		_ = s.after.SetReadDeadline(time.Now())
	}
}

// SetReadDeadline is how QUIC ends its reading, and undoes that.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = !t.IsZero()
	s.wake()
	return nil
}

// close closes what the socket has.
func (s *socket) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.UDPConn.Close()
	for _, c := range []*net.UnixConn{s.before, s.after} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// turn tells where to read now.
func (s *socket) turn() (from source, after *net.UnixConn, changed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, nil, nil, os.ErrDeadlineExceeded
	}
	if s.woken {
		s.woken = false
		err = s.UDPConn.SetReadDeadline(time.Time{})
		if s.after != nil {
			err = errors.Join(err, s.after.SetReadDeadline(time.Time{}))
		}
	}
	return s.from, s.after, s.changed, err
}

// ReadBatch returns packets of our connections, and of new ones if it is our turn. QUIC
// calls it on one goroutine.
func (s *socket) ReadBatch(ms []ipv4.Message, flags int) (n int, err error) {
	for n == 0 {
		from, after, changed, err := s.turn()
		if err != nil {
			return 0, err
		}
		switch from {
		case fromNowhere:
			<-changed
			continue
		case fromSuccessor:
			n, err = receivePassed(after, &ms[0])
		default:
			n, err = s.batch.ReadBatch(ms, flags)
			n = s.ours(ms[:max(n, 0)]) // it is below 0 with an error
		}
		select {
		case <-changed: // what went wrong may be that
		default:
			if err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// ours passes packets of the other process's connections on, and returns how many are left.
// Their bytes are moved, since QUIC knows its buffers by their places.
func (s *socket) ours(ms []ipv4.Message) (n int) {
	if s.before == nil {
		return len(ms)
	}
	for i := range ms {
		m := &ms[i]
		if s.ids.isOther(m.Buffers[0][:m.N]) && s.pass(m) {
			continue
		}
		if to := &ms[n]; to != m {
			to.N = copy(to.Buffers[0], m.Buffers[0][:m.N])
			to.NN = copy(to.OOB, m.OOB[:m.NN])
			to.Addr, to.Flags = m.Addr, m.Flags
		}
		n++
	}
	return n
}

// A packet that is passed on has in front of it how many bytes of an address, and of control
// messages of the system (its congestion mark, and the address that it was sent to), follow.
const (
	passedHead = 2
	passedMost = passedHead + 2*255 + 1<<11
)

// pass sends a packet to the other process, and tells whether that is there. A packet for
// which there is no room is lost, as packets are.
func (s *socket) pass(m *ipv4.Message) bool {
	from, ok := m.Addr.(*net.UDPAddr)
	if !ok || m.NN > 255 {
		return false
	}
	addr, err := from.AddrPort().MarshalBinary()
	if err != nil || len(addr) > 255 {
		return false
	}
	b := make([]byte, passedHead, passedHead+len(addr)+m.NN+m.N)
	b[0], b[1] = byte(len(addr)), byte(m.NN)
	b = append(append(append(b, addr...), m.OOB[:m.NN]...), m.Buffers[0][:m.N]...)
	raw, err := s.before.SyscallConn()
	if err != nil {
		return false
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		_, sent = unix.Write(int(fd), b)
		return true // others wait behind it: it is not tried again
	})
	return err == nil && (sent == nil || errors.Is(sent, unix.EAGAIN) || errors.Is(sent, unix.ENOBUFS) || errors.Is(sent, unix.EINTR))
}

// receivePassed receives a packet that was passed on.
func receivePassed(from *net.UnixConn, m *ipv4.Message) (n int, err error) {
	var buf [passedMost]byte
	n, err = from.Read(buf[:])
	if err != nil {
		return 0, err
	}
	b := buf[:n]
	if n < passedHead || n < passedHead+int(b[0])+int(b[1]) {
		return 0, nil // is none of ours
	}
	addr, oob := b[passedHead:passedHead+int(b[0])], b[passedHead+int(b[0]):passedHead+int(b[0])+int(b[1])]
	var peer netip.AddrPort
	if known := peer.UnmarshalBinary(addr) == nil; !known {
		return 0, nil // the same
	}
	m.Addr = net.UDPAddrFromAddrPort(peer)
	m.NN = copy(m.OOB, oob)
	m.N = copy(m.Buffers[0], b[passedHead+len(addr)+len(oob):])
	return 1, nil
}

// ids makes connection ids by which two processes can tell their connections apart: the
// lowest bit of the first byte is that of the process. They are shorter than those that
// clients choose for their first packets (RFC 9000 section 7.2), and so known from them.
type ids struct{ generation byte }

const idLength = 7

// ConnectionIDLen implements quic.ConnectionIDGenerator.
func (ids) ConnectionIDLen() int { return idLength }

// isOther tells whether a packet is for a connection that the other process has.
func (g ids) isOther(packet []byte) bool {
	id := destination(packet)
	return len(id) > 0 && id[0]&1 != g.generation&1
}

// destination returns the id, if it is one of a server's, of the connection that a packet
// is for (RFC 9000 section 17; the form is that of every version, RFC 8999).
func destination(packet []byte) []byte {
	const long, versionSize = 0x80, 4
	switch {
	case len(packet) == 0:
		return nil
	case packet[0]&long == 0:
		if len(packet) < 1+idLength {
			return nil
		}
		return packet[1 : 1+idLength]
	}
	at := 1 + versionSize
	if len(packet) < at+1+idLength || packet[at] != idLength || binary.BigEndian.Uint32(packet[1:]) == 0 {
		return nil
	}
	return packet[at+1 : at+1+idLength]
}
