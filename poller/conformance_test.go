//go:build unix

// The conformance suite of package poller: what every system's Poller must do.
// It uses the public API only and runs on whichever system runs the tests.
package poller_test

import (
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/poller"
)

var tokenA, tokenB = poller.NewToken(7, 1), poller.NewToken(1<<31, math.MaxUint32)

func TestTokenParts(t *testing.T) {
	for _, part := range [][2]uint32{{0, 0}, {1, 2}, {math.MaxUint32, 0}, {0, math.MaxUint32}} {
		tok := poller.NewToken(part[0], part[1])
		if tok.Slot() != part[0] || tok.Generation() != part[1] {
			t.Errorf("token of %v has parts %d, %d", part, tok.Slot(), tok.Generation())
		}
	}
}

func TestReadinessIsLevelTriggered(t *testing.T) {
	p := open(t)
	a, b := streamPair(t)
	must(t, p.Add(a, tokenA, poller.Readable))
	if evs := look(t, p); len(evs) != 0 {
		t.Fatalf("events before anything was written: %v", evs)
	}
	send(t, b, 2)
	for i := range 3 {
		if got := look(t, p); got[tokenA] != poller.Readable || len(got) != 1 {
			t.Fatalf("look %d at unread bytes: %v", i, got)
		}
	}
	receive(t, a, 1)
	if got := look(t, p); got[tokenA] != poller.Readable {
		t.Errorf("one byte of two is read: %v", got)
	}
	receive(t, a, 1)
	if got := look(t, p); len(got) != 0 {
		t.Errorf("everything is read: %v", got)
	}
}

func TestOnlyWhatIsWantedIsReported(t *testing.T) {
	p := open(t)
	a, b := streamPair(t)
	send(t, b, 1) // a is readable and writable from here on
	must(t, p.Add(a, tokenA, 0))
	for _, want := range []poller.Ready{
		0, poller.Readable, poller.Writable, poller.Readable | poller.Writable,
		poller.Readable, 0, poller.Readable | poller.ReadHangup, poller.Writable | poller.ReadHangup,
	} {
		must(t, p.Modify(a, tokenA, want))
		if got := look(t, p)[tokenA]; got != want&^poller.ReadHangup {
			t.Errorf("wanted %b, got %b", want, got)
		}
	}
}

func TestWritableFollowsTheSendBuffer(t *testing.T) {
	p := open(t)
	a, b := streamPair(t)
	must(t, p.Add(a, tokenA, poller.Writable))
	full := fill(t, a)
	if got := look(t, p); len(got) != 0 {
		t.Fatalf("the buffer is full: %v", got)
	}
	receive(t, b, full)
	if got := await(t, p); got[tokenA] != poller.Writable {
		t.Errorf("the buffer is empty: %v", got)
	}
}

func TestModifyReplacesTheToken(t *testing.T) {
	p := open(t)
	a, b := streamPair(t)
	must(t, p.Add(a, tokenA, poller.Readable))
	must(t, p.Modify(a, tokenB, poller.Readable))
	send(t, b, 1)
	if got := await(t, p); got[tokenB] != poller.Readable || len(got) != 1 {
		t.Errorf("got %v, want the new token only", got)
	}
}

func TestRemoveEndsTheRegistration(t *testing.T) {
	p := open(t)
	a, b := streamPair(t)
	must(t, p.Add(a, tokenA, poller.Readable|poller.Writable))
	send(t, b, 1)
	must(t, p.Remove(a))
	if got := look(t, p); len(got) != 0 {
		t.Errorf("events of a removed descriptor: %v", got)
	}
	must(t, p.Add(a, tokenB, poller.Readable))
	if got := await(t, p); got[tokenB] != poller.Readable {
		t.Errorf("added again: %v", got)
	}
}

func TestMisuseIsRefused(t *testing.T) {
	p := open(t)
	a, _ := streamPair(t)
	closed, _ := streamPair(t)
	closeNow(t, closed)
	for _, c := range []struct {
		what string
		err  error
		want error
	}{
		{"modify unregistered", p.Modify(a, tokenA, poller.Readable), unix.ENOENT},
		{"remove unregistered", p.Remove(a), unix.ENOENT},
		{"add", p.Add(a, tokenA, poller.Readable), nil},
		{"add twice", p.Add(a, tokenB, poller.Readable), unix.EEXIST},
		{"add negative", p.Add(-1, tokenA, poller.Readable), unix.EBADF},
		{"add closed", p.Add(closed, tokenA, poller.Readable), unix.EBADF},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
		}
		var call *os.SyscallError
		if c.want != nil && !errors.As(c.err, &call) {
			t.Errorf("%s: %v does not name its system call", c.what, c.err)
		}
	}
	if _, err := p.Wait(nil, 0); err == nil {
		t.Error("Wait without room for events: no error")
	}
}

// An event that was taken from the system before its descriptor was closed must
// be told from those of the next owner of the same number.
func TestEventOfAReusedDescriptorKeepsItsGeneration(t *testing.T) {
	p := open(t)
	a, b := streamPair(t)
	c, d := streamPair(t)
	must(t, p.Add(a, poller.NewToken(1, 1), poller.Readable))
	must(t, p.Add(c, poller.NewToken(2, 1), poller.Readable))
	send(t, b, 1)
	send(t, d, 1)
	stale, err := p.Wait(make([]poller.Event, 0, 8), 0)
	must(t, err)
	if len(stale) != 2 {
		t.Fatalf("got %v, want two events", stale)
	}

	// The owner, at the first event, closes the second's descriptor and
	// gets the same number again for something else.
	must(t, p.Remove(c))
	e, f := streamPair(t)
	renumber(t, e, c)
	must(t, p.Add(c, poller.NewToken(2, 2), poller.Readable))
	for _, ev := range stale {
		if ev.Token.Generation() != 1 {
			t.Errorf("an event changed its generation: %v", ev)
		}
	}
	receive(t, a, 1)
	if got := look(t, p); len(got) != 0 {
		t.Errorf("the new owner has nothing to read: %v", got)
	}
	send(t, f, 1)
	if got := await(t, p); got[poller.NewToken(2, 2)] != poller.Readable || len(got) != 1 {
		t.Errorf("got %v, want the new generation only", got)
	}
}

func TestHalfCloseIsNotAHangup(t *testing.T) {
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			a, b := pair(t)
			must(t, p.Add(a, tokenA, poller.Readable|poller.Writable|poller.ReadHangup))
			send(t, b, 3)
			must(t, unix.Shutdown(b, unix.SHUT_WR))
			want := poller.Readable | poller.Writable | poller.ReadHangup
			if got := awaitOf(t, p, tokenA, want); got != want {
				t.Fatalf("got %b, want %b", got, want)
			}
			receive(t, a, 3)
			if n, err := unix.Read(a, make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("read after the last byte: %d, %v", n, err)
			}
			send(t, a, 5)
			receive(t, b, 5)

			must(t, p.Modify(a, tokenA, poller.Readable))
			if got := look(t, p)[tokenA]; got != poller.Readable {
				t.Errorf("ReadHangup is not wanted any more: %b", got)
			}
			must(t, p.Modify(a, tokenA, poller.Writable))
			if got := look(t, p)[tokenA]; got != poller.Writable {
				t.Errorf("only Writable is wanted: %b", got)
			}
		})
	}
}

func TestBothDirectionsClosedIsAHangup(t *testing.T) {
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			a, b := pair(t)
			must(t, p.Add(a, tokenA, poller.Readable|poller.Writable|poller.ReadHangup))
			must(t, unix.Shutdown(b, unix.SHUT_WR))
			must(t, unix.Shutdown(a, unix.SHUT_WR))
			awaitOf(t, p, tokenA, poller.Readable|poller.ReadHangup|poller.Hangup)
		})
	}
}

func TestResetIsReadable(t *testing.T) {
	p := open(t)
	a, b := tcpPair(t)
	must(t, p.Add(a, tokenA, poller.Readable))
	reset(t, b)
	got := awaitOf(t, p, tokenA, poller.Readable)
	if got&poller.Error == 0 {
		t.Errorf("a reset is reported as %b, without Error", got)
	}
	if _, err := unix.Read(a, make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("read after a reset: %v", err)
	}
}

// A paused descriptor whose peer is gone may be reported again and again, but
// must be silent once its owner has removed it.
func TestPausedAndHungUpStopsWhenRemoved(t *testing.T) {
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			a, b := pair(t)
			must(t, p.Add(a, tokenA, poller.Readable))
			send(t, b, 1)
			awaitOf(t, p, tokenA, poller.Readable)
			must(t, p.Modify(a, tokenA, 0))
			if name == "tcp" {
				reset(t, b)
			} else {
				closeNow(t, b)
			}
			registered, reports := true, 0
			for range 100 {
				if got := look(t, p); len(got) == 0 {
					continue
				} else if got[tokenA]&(poller.Readable|poller.Writable|poller.ReadHangup) != 0 {
					t.Fatalf("nothing is wanted, got %b", got[tokenA])
				}
				reports++
				if registered {
					must(t, p.Remove(a))
					registered = false
				}
			}
			if reports > 1 {
				t.Errorf("reported %d times after it was removed", reports-1)
			}
		})
	}
}

func TestMoreEventsThanRoom(t *testing.T) {
	const sockets, room = 30, 4
	p := open(t)
	left := map[poller.Token]int{}
	for i := range sockets {
		a, b := streamPair(t)
		tok := poller.NewToken(uint32(i), 1)
		must(t, p.Add(a, tok, poller.Readable))
		send(t, b, 1)
		left[tok] = a
	}
	dst := make([]poller.Event, 0, room)
	for waits := 0; len(left) > 0; waits++ {
		if waits > sockets {
			t.Fatalf("%d descriptors are never reported", len(left))
		}
		evs, err := p.Wait(dst, 0)
		must(t, err)
		if len(evs) == 0 || len(evs) > room {
			t.Fatalf("got %d events with %d waiting and room for %d", len(evs), len(left), room)
		}
		for _, ev := range evs {
			receive(t, left[ev.Token], 1)
			delete(left, ev.Token)
		}
	}
	// The room may change from one Wait to the next.
	if evs, err := p.Wait(make([]poller.Event, 0, 2*sockets), 0); err != nil || len(evs) != 0 {
		t.Errorf("nothing is left: %v, %v", evs, err)
	}
}

func TestTimeouts(t *testing.T) {
	p := open(t)
	a, b := streamPair(t)
	must(t, p.Add(a, tokenA, poller.Readable))
	for _, max := range []time.Duration{0, 1, time.Microsecond, time.Millisecond + 1} {
		if evs, err := p.Wait(make([]poller.Event, 0, 1), max); err != nil || len(evs) != 0 {
			t.Errorf("wait of %v: %v, %v", max, evs, err)
		}
	}
	send(t, b, 1)
	for _, max := range []time.Duration{-1, math.MinInt64, time.Hour, 1 << 40 * time.Microsecond, math.MaxInt64} {
		if evs, err := p.Wait(make([]poller.Event, 0, 1), max); err != nil || len(evs) != 1 {
			t.Errorf("wait of %v: %v, %v", max, evs, err)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	p := open(t)
	a, b := streamPair(t)
	must(t, p.Add(a, tokenA, poller.Readable))
	send(t, b, 1)
	dst := make([]poller.Event, 0, 16)
	want := poller.Readable
	allocs := testing.AllocsPerRun(200, func() {
		for _, max := range []time.Duration{0, time.Second, -1} {
			if evs, err := p.Wait(dst, max); err != nil || len(evs) != 1 {
				t.Fatalf("%v, %v", evs, err)
			}
		}
		want ^= poller.Writable
		if p.Modify(a, tokenA, want) != nil || p.Modify(a, tokenA, poller.Readable) != nil || p.Wake() != nil {
			t.Fatal("modify or wake failed")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a turn", allocs)
	}
}

func TestCloseLeavesDescriptorsOpen(t *testing.T) {
	leakcheck.Check(t)
	p, err := poller.New()
	must(t, err)
	a, b := streamPair(t)
	must(t, p.Add(a, tokenA, poller.Readable))
	must(t, p.Close())
	must(t, p.Close())
	must(t, p.Wake())
	send(t, b, 1)
	receive(t, a, 1)
}
