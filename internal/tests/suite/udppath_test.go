//go:build linux

package suite

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// udpPath is what lies between clients and a server: it passes datagrams on, later,
// not at all, or damaged, as a test wants.
type udpPath struct {
	t      testing.TB
	front  *net.UDPConn // towards clients
	server *net.UDPAddr

	mu    sync.Mutex
	flows map[netip.AddrPort]*udpFlow
	// fate decides about a datagram, with mu held: whether it passes. It may change
	// it. up says that it comes from a client, n how many came before it in its flow
	// and direction.
	fate  func(up bool, n int, p []byte) bool
	delay time.Duration // one way
	sent  [2]int        // bytes to clients, to the server

	running sync.WaitGroup
}

// udpFlow is one client.
type udpFlow struct {
	client netip.AddrPort
	back   *net.UDPConn // towards the server
	seen   [2]int       // datagrams from the server, from the client
	over   bool         // nothing comes from the server any more
	down   chan datagram
	up     chan datagram
}

type datagram struct {
	at time.Time
	p  []byte
}

// newUDPPath makes a path to the server's UDP port, on which everything arrives at
// first.
func newUDPPath(t testing.TB, s *server) *udpPath {
	t.Helper()
	addr, err := net.ResolveUDPAddr("udp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p := &udpPath{t: t, front: front, server: addr, flows: map[netip.AddrPort]*udpFlow{}, fate: func(bool, int, []byte) bool { return true }}
	p.running.Go(p.listen)
	t.Cleanup(func() {
		front.Close()
		p.mu.Lock()
		for _, f := range p.flows {
			f.back.Close()
		}
		p.mu.Unlock()
		p.running.Wait()
	})
	return p
}

// set changes what the path does.
func (p *udpPath) set(change func(p *udpPath)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// of returns the server as its clients see it behind the path.
func (p *udpPath) of(s *server) *server {
	behind := s.in(p.t)
	behind.addr = p.front.LocalAddr().String()
	return behind
}

// lossy drops a share of all datagrams, damages one, and is the same each time.
func lossy(drop, damage float64) func(bool, int, []byte) bool {
	dice := rand.New(rand.NewPCG(20261128, 9114))
	return func(_ bool, _ int, p []byte) bool {
		if dice.Float64() < damage && len(p) > 0 {
			p[dice.IntN(len(p))] ^= byte(1 + dice.IntN(255))
		}
		return dice.Float64() >= drop
	}
}

// listen takes what comes from clients.
func (p *udpPath) listen() {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, f := range p.flows {
			close(f.up)
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, from, err := p.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		f := p.flows[from]
		if f == nil {
			f = &udpFlow{client: from, up: make(chan datagram, 4096), down: make(chan datagram, 4096)}
			p.flows[from] = f
			p.connect(f)
			p.running.Go(func() { p.deliver(f, true) })
			p.running.Go(func() { p.deliver(f, false) })
		}
		p.pass(f, true, buf[:n])
		p.mu.Unlock()
	}
}

// connect gives a client a socket towards the server. mu is held.
func (p *udpPath) connect(f *udpFlow) {
	back, err := net.DialUDP("udp4", nil, p.server)
	if err != nil {
		panic(err) // no port is left
	}
	f.back = back
	p.running.Go(func() { p.receive(f, back) })
}

// receive takes what comes from the server.
func (p *udpPath) receive(f *udpFlow, back *net.UDPConn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := back.Read(buf)
		p.mu.Lock()
		if err != nil {
			if f.back == back { // else it was replaced
				f.over = true
				close(f.down)
			}
			p.mu.Unlock()
			return
		}
		if !f.over {
			p.pass(f, false, buf[:n])
		}
		p.mu.Unlock()
	}
}

// pass queues a datagram, if that is its fate and there is room. mu is held.
func (p *udpPath) pass(f *udpFlow, up bool, b []byte) {
	queue, way := f.down, 0
	if up {
		queue, way = f.up, 1
	}
	b = append([]byte(nil), b...)
	f.seen[way]++
	if !p.fate(up, f.seen[way]-1, b) {
		return
	}
	select {
	case queue <- datagram{time.Now().Add(p.delay), b}:
		p.sent[way] += len(b)
	default:
	}
}

// deliver sends on what is queued.
func (p *udpPath) deliver(f *udpFlow, up bool) {
	queue := f.down
	if up {
		queue = f.up
	}
	for d := range queue {
		time.Sleep(time.Until(d.at)) // which is the delay of the path
		if up {
			p.mu.Lock()
			back := f.back
			p.mu.Unlock()
			_, _ = back.Write(d.p)
		} else {
			_, _ = p.front.WriteToUDPAddrPort(d.p, f.client)
		}
	}
}

// rebind gives all clients another port towards the server, as a translator of
// addresses does that has forgotten them. mu is held.
func (p *udpPath) rebind() {
	for _, f := range p.flows {
		old := f.back
		p.connect(f)
		old.Close()
	}
}

// counted returns how many bytes have passed to clients and to the server.
func (p *udpPath) counted() (down, up int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent[0], p.sent[1]
}
