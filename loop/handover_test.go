package loop_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/loop"
)

// heirs duplicates the descriptors of a listener, as another process would get them.
func heirs(t *testing.T, ln *loop.Listener) (fds []int) {
	t.Helper()
	for _, fd := range ln.Descriptors() {
		other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		must(t, err)
		fds = append(fds, other)
	}
	return fds
}

// listening returns an engine that listens.
func listening(t *testing.T, loops int, addr string, inherited []int) (*loop.Engine, *loop.Listener) {
	t.Helper()
	e := newEngine(t, loop.Config{Loops: loops, GracefulTimeout: patience})
	t.Cleanup(func() { e.Close() })
	e.Start()
	if inherited != nil {
		must(t, e.Pause(t.Context()))
	}
	cfg := loop.ListenConfig{Addr: addr, Protocols: []loop.Protocol{echo()}}
	if inherited != nil {
		bound, err := e.Adopt(addr, 0, inherited)
		must(t, err)
		cfg.Bound = bound
	}
	ln, err := e.ListenWith(cfg)
	must(t, err)
	return e, ln
}

// TestHandover: who connects is never refused, whichever engine accepts and however many
// loops it has, and what waits is served by the next one.
func TestHandover(t *testing.T) {
	for _, loops := range [][2]int{{4, 2}, {2, 4}, {1, 1}} {
		old, ln := listening(t, loops[0], "127.0.0.1:0", nil)
		kept := dial(t, ln.Addr())
		echoed := func(c net.Conn, text string) {
			t.Helper()
			_, err := c.Write([]byte(text))
			must(t, err)
			got := make([]byte, len(text))
			if _, err := c.Read(got); err != nil || string(got) != text {
				t.Fatalf("%d to %d loops: %q, %v", loops[0], loops[1], got, err)
			}
		}
		echoed(kept, "before")
		next, other := listening(t, loops[1], "127.0.0.1:0", heirs(t, ln))
		if other.Addr().String() != ln.Addr().String() {
			t.Errorf("%v is inherited as %v", ln.Addr(), other.Addr())
		}
		must(t, old.Pause(t.Context()))
		accepted := func(e *loop.Engine) (n uint64) {
			for _, l := range e.Stats().Loops {
				n += l.Accepted
			}
			return n
		}
		var waiting []net.Conn
		for range 40 { // at every socket of a group
			c := dial(t, ln.Addr())
			_, err := c.Write([]byte("early"))
			must(t, err)
			waiting = append(waiting, c)
		}
		echoed(kept, "meanwhile")
		if accepted(old) != 1 || accepted(next) != 0 {
			t.Errorf("accepted while both were paused: %d, %d", accepted(old), accepted(next))
		}
		must(t, next.Resume(t.Context()))
		for _, c := range waiting {
			got := make([]byte, len("early"))
			if _, err := c.Read(got); err != nil || string(got) != "early" {
				t.Fatalf("%d to %d loops: %q, %v", loops[0], loops[1], got, err)
			}
		}
		old.Bequeath(ln)
		must(t, kept.Close())
		must(t, old.Drain())
		must(t, old.Close())
		echoed(dial(t, ln.Addr()), "behind")
		if n := accepted(next); n != 41 {
			t.Errorf("%d were accepted", n)
		}
	}
}

// TestHandoverIsRescinded: an engine that was paused goes on.
func TestHandoverIsRescinded(t *testing.T) {
	e, ln := listening(t, 2, "127.0.0.1:0", nil)
	must(t, e.Pause(t.Context()))
	c := dial(t, ln.Addr())
	must(t, e.Resume(t.Context()))
	roundTrip(t, c, 1000)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	hold := make(chan struct{})
	e.Loops()[0].Post(func() { <-hold })
	if err := e.Pause(over); err == nil {
		t.Error("a loop that hangs is not waited for")
	}
	close(hold)
}

// TestHandoverOfUnixSockets: the file is the one's who accepts at last.
func TestHandoverOfUnixSockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "h")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	exists := func() bool { _, err := os.Lstat(path); return err == nil }
	old, ln := listening(t, 1, "unix:"+path, nil)
	failed, _ := listening(t, 1, "unix:"+path, heirs(t, ln))
	must(t, failed.Close())
	if !exists() {
		t.Fatal("one whose turn it never was has removed the file")
	}
	next, _ := listening(t, 1, "unix:"+path, heirs(t, ln))
	must(t, old.Pause(t.Context()))
	must(t, next.Resume(t.Context()))
	old.Bequeath(ln)
	must(t, old.Close())
	if !exists() {
		t.Fatal("the file is gone with the first engine")
	}
	c := dial(t, ln.Addr())
	roundTrip(t, c, 1000)
	must(t, next.Close())
	if exists() {
		t.Error("the file is still there")
	}
}

// TestUnwantedListener: what waits at a listener that nobody inherits is served to the end.
func TestUnwantedListener(t *testing.T) {
	e, ln := listening(t, 2, "127.0.0.1:0", nil)
	must(t, e.Pause(t.Context()))
	c := dial(t, ln.Addr())
	_, err := c.Write([]byte("waits"))
	must(t, err)
	e.Bequeath() // no other
	drained := make(chan error, 1)
	go func() { drained <- e.Drain() }()
	got := make([]byte, len("waits"))
	if _, err := c.Read(got); err != nil || string(got) != "waits" {
		t.Errorf("%q, %v", got, err)
	}
	must(t, c.Close())
	select {
	case err := <-drained:
		must(t, err)
	case <-time.After(patience):
		t.Error("the engine does not drain")
	}
}
