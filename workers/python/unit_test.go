package python

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// recorder is an exchange that notes what is done with it.
type recorder struct {
	req     asteri.Request
	home    asteri.Executor
	queued  int
	events  []string
	onDrain func()
	ended   bool
}

func (x *recorder) note(format string, args ...any) error {
	if x.ended {
		return asteri.ErrClosed
	}
	x.events = append(x.events, fmt.Sprintf(format, args...))
	return nil
}

func (x *recorder) Request() *asteri.Request                  { return &x.req }
func (x *recorder) ReadBody(asteri.BodySink)                  {}
func (x *recorder) Consumed(n int)                            { x.note("consumed %d", n) }
func (x *recorder) Inform(status int, _ *asteri.Header) error { return x.note("inform %d", status) }
func (x *recorder) Start(status int, _ *asteri.Header) error  { return x.note("start %d", status) }
func (x *recorder) Write(p []byte) (int, error)               { return x.queued, x.note("write %d", len(p)) }
func (x *recorder) OnDrain(fn func())                         { x.onDrain = fn }
func (x *recorder) OnCancel(func(error))                      {}
func (x *recorder) Post(fn func()) bool                       { return x.home.Post(fn) }
func (x *recorder) Reserve(int)                               {}
func (x *recorder) SetTimeout(time.Duration)                  {}

func (x *recorder) Home() asteri.Executor { return x.home }

func (x *recorder) SendFile(f asteri.File, off, n int64) error {
	f.Close()
	return x.note("file %d+%d", off, n)
}

func (x *recorder) Finish(*asteri.Header) error {
	err := x.note("finish")
	x.ended = true
	return err
}

func (x *recorder) Respond(status int, h *asteri.Header, body []byte) error {
	err := x.note("respond %d %d %d", status, h.Len(), len(body))
	x.ended = true
	return err
}

func (x *recorder) Upgrade(*asteri.Header) (asteri.Tunnel, error) {
	return nil, errors.ErrUnsupported
}

func (x *recorder) Abort(cause error) {
	x.note("abort %v", cause)
	x.ended = true
}

func newRecorder(home asteri.Executor) *recorder {
	x := &recorder{home: home}
	x.req = asteri.Request{Method: "GET", Proto: asteri.HTTP11, Scheme: "http", Path: []byte("/"), Peer: &asteri.Peer{}}
	return x
}

// idleLoop returns a loop that does not run: the test is its goroutine.
func idleLoop(t testing.TB) *loop.Loop {
	t.Helper()
	eng, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	return eng.Loops()[0]
}

func testPool() *Pool {
	cfg := Config{QueueSize: 3}.withDefaults()
	p := newPool(&cfg)
	p.supervisor = newSupervisor(p, &cfg)
	return p
}

func testWorker(p *Pool, capacity int, on *loop.Loop) *worker {
	w := &worker{pool: p, cfg: p.config(), loop: on, log: slog.New(slog.DiscardHandler), parted: make(chan struct{})}
	w.slots.Init(w, on, capacity, 0)
	return w
}

func testCall(p *Pool, home asteri.Executor) *call {
	x := newRecorder(home)
	c := &call{pool: p, x: x, req: &x.req, home: home}
	c.ticket.Call, c.ticket.Request = c, c.req
	return c
}

func TestCallTable(t *testing.T) {
	var table callTable
	table.init(2)
	table.lastID = 1<<32 - 3 // ids wrap around, and 0 is not one
	now := time.Now()
	var calls []*call
	for range 5 {
		c := new(call)
		table.add(c, now)
		calls = append(calls, c)
	}
	var ids []uint32
	for _, c := range table.all(nil) {
		ids = append(ids, c.atLink.id)
	}
	if want := []uint32{1<<32 - 2, 1<<32 - 1, 1, 2, 3}; !reflect.DeepEqual(ids, want) {
		t.Errorf("ids %v", ids)
	}
	started := func() (n int) {
		for _, c := range calls {
			if table.has(c) && !c.atLink.started.IsZero() {
				n++
			}
		}
		return n
	}
	if started() != 2 || len(table.waiting) != 3 {
		t.Errorf("%d run, %d wait", started(), len(table.waiting))
	}
	table.remove(calls[3], now) // one that waits
	table.remove(calls[0], now)
	if started() != 2 || calls[2].atLink.started.IsZero() || table.open != 3 || len(table.waiting) != 1 {
		t.Errorf("%d run of %d open, %d wait", started(), table.open, len(table.waiting))
	}
	if table.get(0) != nil || table.get(77) != nil || table.get(1) != calls[2] || table.has(calls[0]) {
		t.Error("lookups are wrong")
	}
}

// A long call keeps its slot while ids go round.
func TestCallTableSkipsOccupiedSlots(t *testing.T) {
	var table callTable
	table.init(1)
	long := new(call)
	table.add(long, time.Time{})
	for range 10 * len(table.slots) {
		c := new(call)
		table.add(c, time.Time{})
		if c.atLink.id&uint32(len(table.slots)-1) == long.atLink.id&uint32(len(table.slots)-1) {
			t.Fatal("two calls in one slot")
		}
		table.remove(c, time.Time{})
	}
	if table.get(long.atLink.id) != long {
		t.Error("the long call is lost")
	}
}

func TestBackoff(t *testing.T) {
	want := []time.Duration{0, 0, 100 * time.Millisecond, 200 * time.Millisecond}
	for n, d := range want {
		if backoff(n) != d {
			t.Errorf("after %d deaths: %v", n, backoff(n))
		}
	}
	if backoff(1000) != 30*time.Second {
		t.Errorf("without end: %v", backoff(1000))
	}
}
