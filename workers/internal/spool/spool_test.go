package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// owner runs posted functions when the test lets it.
type owner chan func()

// client has an executor, and counts what is held for it.
type client struct {
	home asteri.Executor
	held int
}

func (c *client) Home() asteri.Executor { return c.home }
func (c *client) Reserve(n int)         { c.held += n }

func (o owner) Post(fn func()) bool {
	o <- fn
	return true
}

func (o owner) next(t *testing.T) {
	t.Helper()
	select {
	case fn := <-o:
		fn()
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was posted")
	}
}

type ended struct{ posted chan struct{} }

func (e ended) Post(func()) bool {
	close(e.posted)
	return false
}

func TestStaysInMemory(t *testing.T) {
	b := NewStore(t.TempDir()).New(&client{home: make(owner)}, 10, 0, nil)
	defer b.Close()
	for _, p := range []string{"hello", "", "world"} {
		if !b.Append([]byte(p)) {
			t.Fatalf("%q was not stored at once", p)
		}
	}
	if string(b.Bytes()) != "helloworld" || b.Size() != 10 || b.Spilled() || !b.Settled() {
		t.Errorf("got %q, size %d, spilled %v", b.Bytes(), b.Size(), b.Spilled())
	}
}

func TestSpillsWhole(t *testing.T) {
	for _, memory := range []int{0, 1, 1000, 100_000} {
		o := make(owner, 100)
		dir := t.TempDir()
		total, stored := 0, 0
		who := &client{home: o}
		b := NewStore(dir).New(who, memory, 1<<20, func(n int, err error) {
			if err != nil {
				t.Error(err)
			}
			stored += n
		})
		var want []byte
		rnd := rand.New(rand.NewPCG(uint64(memory), 1))
		for total < 1<<20 {
			p := make([]byte, rnd.IntN(40_000))
			for i := range p {
				p[i] = byte(rnd.Uint32())
			}
			want = append(want, p...)
			total += len(p)
			if b.Append(p) {
				stored += len(p)
			}
			clear(p) // Append copies
			if rnd.IntN(3) == 0 && len(o) > 0 {
				o.next(t)
			}
		}
		for !b.Settled() {
			o.next(t)
		}
		file, n := b.File()
		got, err := io.ReadAll(io.NewSectionReader(file, 0, n+1))
		if err != nil || !bytes.Equal(got, want) || stored != total || b.Size() != int64(total) {
			t.Errorf("memory %d: %d of %d bytes, %d reported, %v", memory, len(got), total, stored, err)
		}
		if at, err := file.Seek(0, io.SeekCurrent); at != 0 || err != nil {
			t.Errorf("the file's offset is %d, %v", at, err)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 0 {
			t.Errorf("left in the directory: %v", names)
		}
		b.Close()
		if who.held != 0 {
			t.Errorf("%d bytes stay reserved", who.held)
		}
	}
}

func TestErrorIsReportedOnce(t *testing.T) {
	o := make(owner, 1)
	var errs []error
	b := NewStore(filepath.Join(t.TempDir(), "absent")).New(&client{home: o}, 0, 0, func(n int, err error) {
		if n != 0 {
			t.Errorf("%d bytes reported", n)
		}
		errs = append(errs, err)
	})
	defer b.Close()
	b.Append([]byte("a"))
	o.next(t)
	b.Append([]byte("b"))
	if len(errs) != 1 || !errors.Is(errs[0], os.ErrNotExist) || len(o) != 0 {
		t.Errorf("got %v and %d posted", errs, len(o))
	}
}

func TestCloseWhileWriting(t *testing.T) {
	o := make(owner, 1)
	who := &client{home: o}
	b := NewStore(t.TempDir()).New(who, 0, 0, func(int, error) { t.Error("called after Close") })
	b.Append([]byte("a"))
	b.Close()
	if who.held != 0 {
		t.Errorf("%d bytes stay reserved", who.held)
	}
	o.next(t)
	if file, _ := b.File(); file != nil {
		t.Error("the file was not closed")
	}
}

func TestOwnerThatEnded(t *testing.T) {
	e := ended{make(chan struct{})}
	b := NewStore(t.TempDir()).New(&client{home: e}, 0, 0, nil)
	b.Append([]byte("a"))
	<-e.posted
}
