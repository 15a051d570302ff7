package http3

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// TestDestination: ids that servers choose are known from those of clients, and by their
// lowest bit whose they are.
func TestDestination(t *testing.T) {
	own, other := ids{1}, ids{0}
	id, err := own.GenerateConnectionID()
	if err != nil || id.Len() != own.ConnectionIDLen() {
		t.Fatalf("%v, %v", id, err)
	}
	short := append([]byte{0x40}, append(id.Bytes(), "payload"...)...)
	long := append([]byte{0xc0, 0, 0, 0, 1, byte(id.Len())}, append(id.Bytes(), "payload"...)...)
	for name, packet := range map[string][]byte{"short": short, "long": long} {
		if own.isOther(packet) || !other.isOther(packet) {
			t.Errorf("%s: it is taken for the other one's", name)
		}
	}
	client := append([]byte{0xc0, 0, 0, 0, 1, 8}, "\x00\x01\x02\x03\x04\x05\x06\x07payload"...)
	negotiation := append([]byte{0xc0, 0, 0, 0, 0, idLength}, make([]byte, 20)...)
	for _, packet := range [][]byte{nil, {0x40}, short[:idLength], long[:6], long[:6+idLength-1], client, negotiation} {
		if own.isOther(packet) || other.isOther(packet) {
			t.Errorf("%x is taken for that of a connection", packet)
		}
	}
}

// TestPassing: the process that reads keeps what is its own, in its place, and passes on the
// rest, with where it came from and what the system says of it.
func TestPassing(t *testing.T) {
	udp, err := Bind("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	next, before := newSocket(udp, ids{1}, pairEnd(t, fds[0]), false), pairEnd(t, fds[1])
	defer next.close()
	defer before.Close()
	packet := func(generation byte, text string) []byte {
		id, _ := ids{generation}.GenerateConnectionID()
		return append([]byte{0x40}, append(id.Bytes(), text...)...)
	}
	peer := &net.UDPAddr{IP: net.IPv6loopback, Port: 7, Zone: "lo"}
	ms := make([]ipv4.Message, 4)
	for i, b := range [][]byte{packet(0, "theirs"), packet(1, "ours, the longer one"), packet(0, "also theirs"), packet(1, "ours")} {
		ms[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 1500)}, OOB: []byte{byte(i), 9, 9}, NN: 2, Addr: peer, N: copy(make([]byte, 1500), b)}
		copy(ms[i].Buffers[0], b)
	}
	places := []*byte{&ms[0].Buffers[0][0], &ms[1].Buffers[0][0]}
	if n := next.ours(ms); n != 2 {
		t.Fatalf("%d packets are left", n)
	}
	for i, want := range []string{"ours, the longer one", "ours"} {
		m := &ms[i]
		if got := m.Buffers[0][1+idLength : m.N]; string(got) != want || m.NN != 2 || m.OOB[0] != byte(2*i+1) || m.Addr != peer {
			t.Errorf("%q, %+v", got, m)
		}
		if &m.Buffers[0][0] != places[i] {
			t.Error("a buffer has another place")
		}
	}
	for i, want := range []string{"theirs", "also theirs"} {
		m := ipv4.Message{Buffers: [][]byte{make([]byte, 1500)}, OOB: make([]byte, 128)}
		if n, err := receivePassed(before, &m); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if got := m.Buffers[0][1+idLength : m.N]; string(got) != want || !bytes.Equal(m.OOB[:m.NN], []byte{byte(2 * i), 9}) || m.Addr.String() != peer.String() {
			t.Errorf("%q, %+v", got, m)
		}
	}
	before.Close()
	if next.isOtherThere(&ms[0], packet(0, "x")) {
		t.Error("a packet is passed to a process that is gone")
	}
}

// isOtherThere tries to pass a packet on.
func (s *socket) isOtherThere(m *ipv4.Message, packet []byte) bool {
	m.N = copy(m.Buffers[0], packet)
	return s.pass(m)
}

// TestOtherProcessHangs: one that does not take its packets holds up nobody.
func TestOtherProcessHangs(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	udp, err := Bind("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, before := newSocket(udp, ids{1}, pairEnd(t, fds[0]), false), pairEnd(t, fds[1])
	defer s.close()
	defer before.Close()
	m := ipv4.Message{Buffers: [][]byte{make([]byte, 1400)}, Addr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7}, N: 1400}
	passed := make(chan bool, 1)
	go func() {
		for range 5000 {
			if !s.pass(&m) {
				passed <- false
				return
			}
		}
		passed <- true
	}()
	select {
	case ok := <-passed:
		if !ok {
			t.Error("a process that is there is taken for gone")
		}
	case <-time.After(20 * time.Second):
		t.Error("packets wait")
	}
}

func pairEnd(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn)
}
