//go:build unix

package poller_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/poller"
)

// patience ends a test that hangs; no test passes or fails by how long
// something took.
const patience = 20 * time.Second

// pairs are the kinds of connected sockets that servers meet.
var pairs = map[string]func(testing.TB) (a, b int){"unix": streamPair, "tcp": tcpPair}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB) *poller.Poller {
	t.Helper()
	p, err := poller.New()
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	return p
}

// owned makes fd non-blocking and closes it after the test unless closeNow did.
func owned(t testing.TB, fd int) int {
	t.Helper()
	must(t, unix.SetNonblock(fd, true))
	mine[fd] = true
	t.Cleanup(func() {
		if mine[fd] {
			closeNow(t, fd)
		}
	})
	return fd
}

// mine holds the open descriptors of the test that runs; tests run one by one.
var mine = map[int]bool{}

func closeNow(t testing.TB, fd int) {
	t.Helper()
	delete(mine, fd)
	must(t, unix.Close(fd))
}

// renumber moves from to the number to, whose descriptor it closes.
func renumber(t testing.TB, from, to int) {
	t.Helper()
	closeNow(t, to)
	got, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, to)
	must(t, err)
	if got != to {
		t.Fatalf("descriptor number %d is taken", to)
	}
	mine[to] = true // its cleanup is registered already
	closeNow(t, from)
}

func streamPair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	return owned(t, fds[0]), owned(t, fds[1])
}

func tcpPair(t testing.TB) (a, b int) {
	t.Helper()
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(ln)
	must(t, unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(ln, 1))
	addr, err := unix.Getsockname(ln)
	must(t, err)
	b, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, err)
	must(t, unix.Connect(b, addr))
	a, _, err = unix.Accept(ln)
	must(t, err)
	return owned(t, a), owned(t, b)
}

// reset closes a TCP socket so that its peer sees a reset.
func reset(t testing.TB, fd int) {
	t.Helper()
	must(t, unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	closeNow(t, fd)
}

func send(t testing.TB, fd, n int) {
	t.Helper()
	if got, err := unix.Write(fd, make([]byte, n)); got != n || err != nil {
		t.Fatalf("write of %d bytes: %d, %v", n, got, err)
	}
}

// receive reads n bytes, waiting for them if need be.
func receive(t testing.TB, fd, n int) {
	t.Helper()
	buf := make([]byte, 64<<10)
	for deadline := time.Now().Add(patience); n > 0; {
		got, err := unix.Read(fd, buf[:min(n, len(buf))])
		switch {
		case err == nil && got > 0:
			n -= got
		case !errors.Is(err, unix.EAGAIN) || time.Now().After(deadline):
			t.Fatalf("read with %d bytes to come: %d, %v", n, got, err)
		}
	}
}

// fill writes until the send buffer is full and returns how much it took.
func fill(t testing.TB, fd int) (n int) {
	t.Helper()
	for {
		got, err := unix.Write(fd, make([]byte, 4096))
		if errors.Is(err, unix.EAGAIN) {
			return n
		}
		must(t, err)
		n += got
	}
}

// look returns what is ready now, joined by token.
func look(t testing.TB, p *poller.Poller) map[poller.Token]poller.Ready {
	t.Helper()
	return wait(t, p, 0)
}

// await returns what is ready once something is.
func await(t testing.TB, p *poller.Poller) map[poller.Token]poller.Ready {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if got := wait(t, p, time.Until(deadline)); len(got) > 0 {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing becomes ready")
		}
	}
}

// awaitOf waits until tok has all of want and returns all it has.
func awaitOf(t testing.TB, p *poller.Poller, tok poller.Token, want poller.Ready) poller.Ready {
	t.Helper()
	var got poller.Ready
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if got = wait(t, p, time.Until(deadline))[tok]; got&want == want {
			return got
		}
	}
	t.Fatalf("token %x has %b, want %b", uint64(tok), got, want)
	return 0
}

func wait(t testing.TB, p *poller.Poller, max time.Duration) map[poller.Token]poller.Ready {
	t.Helper()
	evs, err := p.Wait(make([]poller.Event, 0, 64), max)
	must(t, err)
	joined := map[poller.Token]poller.Ready{}
	for _, ev := range evs {
		joined[ev.Token] |= ev.Ready
	}
	return joined
}

// watch ends the process with all stacks if the test does not end in time: a
// goroutine that sleeps in Wait cannot be ended otherwise.
func watch(t testing.TB) {
	t.Helper()
	timer := time.AfterFunc(patience, func() { panic(t.Name() + " hangs") })
	t.Cleanup(func() { timer.Stop() })
}
