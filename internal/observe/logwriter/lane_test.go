package logwriter

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// output remembers when what came.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	at   time.Time // of the first write
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at.IsZero() {
		o.at = time.Now()
	}
	return o.text.Write(p)
}

func (o *output) Close() error { return nil }

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func addLanes(w *Writer, n int) []*Lane {
	lanes := make([]*Lane, n)
	for i := range lanes {
		lanes[i] = w.Lane()
	}
	return lanes
}

// What comes by one lane does not make that of another wait longer.
func TestLanesWaitOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 200 * time.Millisecond
		out := new(output)
		w := New(out, delay, func(uint64) string { return "" })
		lanes := addLanes(w, 20)
		began := time.Now()
		for _, l := range lanes {
			l.Write([]byte("line\n"))
			time.Sleep(delay / 15)
		}
		w.Close(time.Minute)
		if late := out.at.Sub(began); late != delay {
			t.Errorf("written after %v", late)
		}
		if want := strings.Repeat("line\n", len(lanes)); out.String() != want || w.Lost() != 0 {
			t.Errorf("%q, %d lost", out.String(), w.Lost())
		}
	})
}

// A lane that is full loses lines, its neighbour none.
func TestLanesAreBounded(t *testing.T) {
	out := new(output)
	w := New(out, time.Hour, func(uint64) string { return "" })
	lanes := addLanes(w, 100)
	w.outMu.Lock() // as if the output took nothing
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range minLane/len(line) + 10 {
		lanes[0].Write(line)
	}
	lanes[1].Write(line)
	w.outMu.Unlock()
	if w.Lost() != 10 {
		t.Errorf("%d lost", w.Lost())
	}
	w.Close(time.Minute)
	lanes[1].Write(line)
	w.Lane().Write(line) // one that comes late
	if n := strings.Count(out.String(), "\n"); n != minLane/len(line)+1 || w.Lost() != 12 {
		t.Errorf("%d written, %d lost", n, w.Lost())
	}
}
