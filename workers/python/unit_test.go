package python

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/awake"
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

func (x *recorder) Upgrade(asteri.UpgradeKind, *asteri.Header) (asteri.Tunnel, error) {
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
	w.room.capacity = capacity
	return w
}

func testCall(p *Pool, home asteri.Executor) *call {
	x := newRecorder(home)
	return &call{pool: p, x: x, req: &x.req, home: home}
}

func TestDispatcherChoosesTheLeastBusy(t *testing.T) {
	p := testPool()
	d := p.dispatcher
	defer d.close()
	here, there := idleLoop(t), idleLoop(t)
	a, b := testWorker(p, 2, there), testWorker(p, 2, here)
	d.add(a)
	d.add(b)
	var got []*worker
	for range 4 {
		w, refused := d.submit(testCall(p, here), here)
		if refused != nil {
			t.Fatal("refused")
		}
		got = append(got, w)
	}
	if want := []*worker{b, a, b, a}; !slices.Equal(got, want) {
		t.Error("ties did not go to the local loop, or a busier worker was chosen")
	}
	if w, refused := d.submit(testCall(p, here), here); w != nil || refused != nil {
		t.Error("a call was placed beyond the capacity, or refused")
	}
}

func TestDispatcherQueue(t *testing.T) {
	p := testPool()
	d := p.dispatcher
	defer d.close()
	l := idleLoop(t)
	var calls []*call
	for range 3 {
		c := testCall(p, l)
		calls = append(calls, c)
		if w, refused := d.submit(c, l); w != nil || refused != nil {
			t.Fatal("without a worker calls wait")
		}
	}
	one := testCall(p, l)
	if _, refused := d.submit(one, l); refused != one {
		t.Error("the queue has no bound")
	}
	again := testCall(p, l)
	if _, ok := d.resubmit(again, l, nil); !ok {
		t.Error("a call that had a place was refused")
	}
	if was, _ := d.withdraw(calls[1]); !was {
		t.Error("a waiting call was not withdrawn")
	}
	if was, w := d.withdraw(calls[1]); was || w != nil {
		t.Error("a call was withdrawn twice")
	}
	w := testWorker(p, 1, l)
	if got := d.add(w); len(got) != 1 || got[0] != again {
		t.Error("the call that came back was not first")
	}
	if was, at := d.withdraw(again); was || at != w {
		t.Error("a placed call is not where it is")
	}
	if got := d.release(w, 1, time.Second, nil); len(got) != 1 || got[0] != calls[0] {
		t.Error("calls do not keep their order")
	}
	if old := d.expire(awake.Now() + time.Hour); len(old) != 1 || old[0] != calls[2] || d.waiting() != 0 {
		t.Error("the last call did not expire")
	}
	d.remove(w)
	if got, refused := d.submit(testCall(p, l), l); got != nil || refused != nil {
		t.Error("a removed worker was given a call")
	}
}

func TestCreditFollowsTheWorkersSpeed(t *testing.T) {
	r := room{capacity: 1}
	for range 20 {
		r.adapt(1, 100*time.Microsecond)
	}
	if r.credit != maxCredit {
		t.Errorf("credit of a quick worker is %d", r.credit)
	}
	r.adapt(1, 20*time.Millisecond)
	r.adapt(1, 20*time.Millisecond)
	r.adapt(1, 20*time.Millisecond)
	if r.credit != 0 {
		t.Errorf("credit of a slow worker is %d", r.credit)
	}
	many := room{capacity: 1000}
	many.adapt(5, 0)
	if many.credit != 0 {
		t.Error("a worker that starts all it gets has credit")
	}
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
		ids = append(ids, c.id)
	}
	if want := []uint32{1<<32 - 2, 1<<32 - 1, 1, 2, 3}; !reflect.DeepEqual(ids, want) {
		t.Errorf("ids %v", ids)
	}
	started := func() (n int) {
		for _, c := range calls {
			if table.has(c) && !c.started.IsZero() {
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
	if started() != 2 || calls[2].started.IsZero() || table.open != 3 || len(table.waiting) != 1 {
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
		if c.id&uint32(len(table.slots)-1) == long.id&uint32(len(table.slots)-1) {
			t.Fatal("two calls in one slot")
		}
		table.remove(c, time.Time{})
	}
	if table.get(long.id) != long {
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
