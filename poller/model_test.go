//go:build unix

package poller_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/poller"
)

// modelled is a descriptor and what its registration should be.
type modelled struct {
	fd, peer   int
	registered bool
	shut       bool // the peer has half-closed
	token      poller.Token
	want       poller.Ready
}

// TestAgreesWithPoll does what it likes to some sockets and compares what the
// poller reports after each step with what poll(2) says of the same sockets.
func TestAgreesWithPoll(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	p := open(t)
	var all []*modelled
	for i := range 6 {
		pair := streamPair
		if i%2 == 1 {
			pair = tcpPair
		}
		fd, peer := pair(t)
		all = append(all, &modelled{fd: fd, peer: peer, token: poller.NewToken(uint32(i), 0)})
	}
	for step := range 2000 {
		m := all[rnd.IntN(len(all))]
		m.step(t, p, rnd)
		// Loopback TCP may deliver a moment later.
		var why string
		for deadline := time.Now().Add(patience); ; {
			if why = disagreement(t, p, all); why == "" || time.Now().After(deadline) {
				break
			}
		}
		if why != "" {
			t.Fatalf("step %d: %s", step, why)
		}
	}
}

// disagreement says how the poller's view differs from poll(2)'s, if it does.
func disagreement(t *testing.T, p *poller.Poller, all []*modelled) string {
	got := look(t, p)
	for i, m := range all {
		if want := m.expected(t); got[m.token] != want {
			return fmt.Sprintf("socket %d, %b wanted: the poller says %b, poll(2) %b", i, m.want, got[m.token], want)
		}
		delete(got, m.token)
	}
	if len(got) != 0 {
		return fmt.Sprintf("events of tokens that are not registered: %v", got)
	}
	return ""
}

func (m *modelled) step(t *testing.T, p *poller.Poller, rnd *rand.Rand) {
	want := poller.Ready(rnd.IntN(4))
	next := poller.NewToken(m.token.Slot(), m.token.Generation()+1)
	switch rnd.IntN(8) {
	case 0, 1:
		if m.registered {
			must(t, p.Modify(m.fd, next, want))
		} else {
			must(t, p.Add(m.fd, next, want))
		}
		m.registered, m.token, m.want = true, next, want
	case 2:
		if m.registered {
			must(t, p.Remove(m.fd))
			m.registered = false
		}
	case 3:
		if !m.shut {
			_, _ = unix.Write(m.peer, make([]byte, 1+rnd.IntN(9)))
		}
	case 4:
		_, _ = unix.Read(m.fd, make([]byte, 1+rnd.IntN(20)))
	case 5:
		fill(t, m.fd)
	case 6:
		for n := 1; n > 0; {
			n, _ = unix.Read(m.peer, make([]byte, 64<<10))
		}
	case 7:
		if rnd.IntN(20) == 0 {
			m.shut = true
			must(t, unix.Shutdown(m.peer, unix.SHUT_WR))
		}
	}
}

// expected is what poll(2) says, in the poller's words and as far as wanted.
func (m *modelled) expected(t *testing.T) poller.Ready {
	if !m.registered {
		return 0
	}
	fds := []unix.PollFd{{Fd: int32(m.fd), Events: unix.POLLIN | unix.POLLOUT}}
	_, err := unix.Poll(fds, 0)
	must(t, err)
	var r poller.Ready
	if fds[0].Revents&unix.POLLIN != 0 {
		r |= poller.Readable
	}
	if fds[0].Revents&unix.POLLOUT != 0 {
		r |= poller.Writable
	}
	return r & m.want
}
