package spool_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/workers/internal/spool"
)

// maker writes a response on the executor of its exchange, as fast as it may.
type maker struct {
	x       asteri.Exchange
	steps   []func() (queued int, err error)
	waiting bool // for OnDrain
	err     error
}

func (m *maker) run() {
	m.waiting = false
	for len(m.steps) > 0 && m.err == nil {
		step := m.steps[0]
		m.steps = m.steps[1:]
		var queued int
		if queued, m.err = step(); m.err == nil && queued >= asteri.HighWater {
			m.waiting = true
			m.x.OnDrain(m.run)
			return
		}
	}
}

func (m *maker) write(p []byte) {
	m.steps = append(m.steps, func() (int, error) {
		n, err := m.x.Write(bytes.Clone(p))
		return n, err
	})
}

// state is what a test sees of a maker, which belongs to the executor.
func (m *maker) state(e *exchangetest.Executor) (left int, waiting bool, err error) {
	e.Do(func() { left, waiting, err = len(m.steps), m.waiting, m.err })
	return left, waiting, err
}

// begin starts a response to a client that does not read.
func begin(t *testing.T, store *spool.Store, limit int64) (*exchangetest.Exchange, *exchangetest.Executor, *maker) {
	e := exchangetest.NewExecutor(t)
	x := exchangetest.Get(t, e, "/")
	x.Hold()
	m := new(maker)
	x.Serve(asteri.HandlerFunc(func(x asteri.Exchange) {
		m.x = store.Exchange(x, limit, slog.New(slog.DiscardHandler))
		if err := m.x.Start(200, nil); err != nil {
			t.Error(err)
		}
	}))
	return x, e, m
}

func fill(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	return p
}

// Whatever a response is made of and however the client reads, it arrives whole
// and in order.
func TestResponseArrivesWhole(t *testing.T) {
	for _, limit := range []int64{0, 1 << 10, 400 << 10, 1 << 30} {
		dir := t.TempDir()
		x, e, m := begin(t, spool.NewStore(dir), limit)
		var want []byte
		for range 100 {
			p := fill(rand.IntN(50_000))
			want = append(want, p...)
			if rand.IntN(10) > 0 {
				m.write(p)
				continue
			}
			f, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(p); err != nil {
				t.Fatal(err)
			}
			m.steps = append(m.steps, func() (int, error) { return 0, m.x.SendFile(f, 0, int64(len(p))) })
		}
		m.steps = append(m.steps, func() (int, error) { return 0, m.x.Finish(nil) })
		e.Do(m.run)
		for !x.Ended() {
			x.Release()
		}
		if got := x.Wait(); got.Err != nil || !bytes.Equal(got.Body, want) {
			t.Errorf("limit %d: %d of %d bytes, %v", limit, len(got.Body), len(want), got.Err)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 0 {
			t.Errorf("left in the directory: %v", names)
		}
	}
}

func TestHandlerGoesOnWithoutItsClient(t *testing.T) {
	x, e, m := begin(t, spool.NewStore(t.TempDir()), 1<<30)
	for range 256 {
		m.write(fill(32 << 10))
	}
	m.steps = append(m.steps, func() (int, error) { return 0, m.x.Finish(nil) })
	e.Do(m.run)
	if got := x.Wait(); got.Err != nil || len(got.Body) != 8<<20 {
		t.Errorf("%d bytes, %v", len(got.Body), got.Err)
	}
}

func TestFullFileHoldsTheHandlerBack(t *testing.T) {
	const limit = 1 << 20
	x, e, m := begin(t, spool.NewStore(t.TempDir()), limit)
	for range 128 {
		m.write(fill(32 << 10))
	}
	e.Do(m.run)
	for range 2 { // also the second time
		var before int
		exchangetest.Eventually(t, "the handler waits for the client, and not for the disk", func() bool {
			left, waiting, _ := m.state(e)
			still := waiting && left == before && (128-left)*32<<10 >= limit
			before = left
			return still
		})
		if n := x.Unsent(); n > limit+asteri.HighWater+64<<10 {
			t.Errorf("%d bytes given away", n)
		}
		if before == 0 {
			t.Fatal("not held back")
		}
		if left, _, _ := m.state(e); left != before {
			t.Fatal("the handler went on")
		}
		x.Release()
	}
	for left := 1; left > 0; left, _, _ = m.state(e) {
		x.Release()
	}
}

func TestAbortForgets(t *testing.T) {
	x, e, m := begin(t, spool.NewStore(t.TempDir()), 1<<30)
	for range 32 {
		m.write(fill(32 << 10))
	}
	e.Do(m.run)
	cause := errors.New("enough")
	e.Do(func() { m.x.Abort(cause) })
	if got := x.Wait(); !errors.Is(got.Err, cause) {
		t.Errorf("%v", got.Err)
	}
	e.Do(func() {
		if _, err := m.x.Write([]byte("more")); !errors.Is(err, asteri.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

// The client goes while the end of the response waits for the disk.
func TestClientGoesBehindTheHandler(t *testing.T) {
	store := spool.NewStore(t.TempDir())
	x, e, m := begin(t, store, 1<<30)
	for range 32 {
		m.write(fill(32 << 10))
	}
	m.steps = append(m.steps, func() (int, error) { return 0, m.x.Finish(nil) })
	e.Do(m.run)
	x.Cancel(asteri.ErrClientGone)
	exchangetest.Eventually(t, "nothing is kept", func() bool { return x.Reserved() == 0 })
}

func TestDiskFailureEndsTheResponse(t *testing.T) {
	var log strings.Builder
	e := exchangetest.NewExecutor(t)
	x := exchangetest.Get(t, e, "/")
	x.Hold()
	m := new(maker)
	x.Serve(asteri.HandlerFunc(func(x asteri.Exchange) {
		store := spool.NewStore(filepath.Join(t.TempDir(), "absent"))
		m.x = store.Exchange(x, 1<<30, slog.New(slog.NewTextHandler(&log, nil)))
		_ = m.x.Start(200, nil)
		for range 64 {
			m.write(fill(32 << 10))
		}
		m.run()
	}))
	if got := x.Wait(); !errors.Is(got.Err, os.ErrNotExist) {
		t.Errorf("%v", got.Err)
	}
	exchangetest.Eventually(t, "the handler hears of it", func() bool {
		_, _, err := m.state(e)
		return errors.Is(err, asteri.ErrClosed)
	})
	if !strings.Contains(log.String(), "cannot store a response") {
		t.Error("not logged")
	}
}
