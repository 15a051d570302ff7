package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
)

// home is an executor that nothing runs on.
type home struct{ asteri.Executor }

// asked is a worker that does as it is asked, of which nobody hears.
type asked struct{}

func (asked) Recall(int) {}
func (asked) Probe()     {}

func testSlots(capacity int, on asteri.Executor) *Slots {
	r := new(Slots)
	r.Init(asked{}, on, capacity, 0)
	return r
}

func testTicket() *Ticket {
	return &Ticket{Request: &asteri.Request{Method: "GET", Proto: asteri.HTTP11, Peer: &asteri.Peer{}}}
}

func TestDispatcherChoosesTheLeastBusy(t *testing.T) {
	d := New(3)
	defer d.Close()
	here, there := new(home), new(home)
	a, b := testSlots(2, there), testSlots(2, here)
	d.Add(a)
	d.Add(b)
	var got []*Slots
	for range 4 {
		w, refused := d.Submit(testTicket(), here)
		if refused != nil {
			t.Fatal("refused")
		}
		got = append(got, w)
	}
	if want := []*Slots{b, a, b, a}; !slices.Equal(got, want) {
		t.Error("ties did not go to the local loop, or a busier worker was chosen")
	}
	if w, refused := d.Submit(testTicket(), here); w != nil || refused != nil {
		t.Error("a call was placed beyond the capacity, or refused")
	}
}

func TestDispatcherQueue(t *testing.T) {
	d := New(3)
	defer d.Close()
	l := new(home)
	var calls []*Ticket
	for range 3 {
		c := testTicket()
		calls = append(calls, c)
		if w, refused := d.Submit(c, l); w != nil || refused != nil {
			t.Fatal("without a worker calls wait")
		}
	}
	one := testTicket()
	if _, refused := d.Submit(one, l); refused != one {
		t.Error("the queue has no bound")
	}
	again := testTicket()
	if _, ok := d.Resubmit(again, l, nil); !ok {
		t.Error("a call that had a place was refused")
	}
	if was, _ := d.Withdraw(calls[1]); !was {
		t.Error("a waiting call was not withdrawn")
	}
	if was, w := d.Withdraw(calls[1]); was || w != nil {
		t.Error("a call was withdrawn twice")
	}
	w := testSlots(1, l)
	if got := d.Add(w); len(got) != 1 || got[0] != again {
		t.Error("the call that came back was not first")
	}
	if was, at := d.Withdraw(again); was || at != w {
		t.Error("a placed call is not where it is")
	}
	if got := d.Release(w, 1, time.Second, nil); len(got) != 1 || got[0] != calls[0] {
		t.Error("calls do not keep their order")
	}
	if old := d.Expire(awake.Now() + time.Hour); len(old) != 1 || old[0] != calls[2] || d.Waiting() != 0 {
		t.Error("the last call did not expire")
	}
	d.Remove(w)
	if got, refused := d.Submit(testTicket(), l); got != nil || refused != nil {
		t.Error("a removed worker was given a call")
	}
}

func TestCreditFollowsTheWorkersSpeed(t *testing.T) {
	r := Slots{capacity: 1}
	for range MaxCredit + 1 {
		r.adapt(1, 100*time.Microsecond)
	}
	if r.credit != MaxCredit {
		t.Errorf("credit of a quick worker is %d", r.credit)
	}
	for range 3 {
		r.adapt(1, 20*time.Millisecond)
	}
	if r.credit != 0 {
		t.Errorf("credit of a slow worker is %d", r.credit)
	}
	many := Slots{capacity: 1000}
	many.adapt(5, 0)
	if many.credit != 0 {
		t.Error("a worker that starts all it gets has credit")
	}
}

// Whose connection has the most calls that wait makes room when there is none.
func TestTheHindmostMakesRoom(t *testing.T) {
	d := New(3)
	defer d.Close()
	d.limit = 4
	from := func(proto asteri.Proto) func() *Ticket {
		peer := new(asteri.Peer)
		return func() *Ticket {
			c := testTicket()
			c.Request.Proto, c.Request.Peer = proto, peer
			return c
		}
	}
	refuses := func(c, want *Ticket) bool {
		_, refused := d.Submit(c, nil)
		return refused == want
	}
	greedy, other := from(asteri.HTTP2), from(asteri.HTTP2)
	var calls []*Ticket
	for range 4 {
		calls = append(calls, greedy())
		d.Submit(calls[len(calls)-1], nil)
	}
	if c := greedy(); !refuses(c, c) {
		t.Error("its own next one is not refused")
	}
	if c := other(); !refuses(c, calls[3]) {
		t.Error("the first call of another connection does not take the place of its last")
	}
	if c := from(asteri.HTTP11)(); !refuses(c, calls[2]) {
		t.Error("nor does one over HTTP/1")
	}
	if c := other(); !refuses(c, c) {
		t.Error("who has as many is not refused")
	}
	if calls[2].place != nowhere || calls[1].place != queued || d.Waiting() != 4 {
		t.Error("the calls are not where they should be")
	}
}

// Clients that leave while their requests wait for their turn after a death are forgotten,
// and so are those that wait for too long.
func TestTrialThatNobodyWaitsFor(t *testing.T) {
	d := New(3)
	defer d.Close()
	l := new(home)
	tr := NewTrial()
	var calls []*Ticket
	for range 4 {
		c := testTicket()
		calls = append(calls, c)
		if _, ok := d.Resubmit(c, l, tr); !ok {
			t.Fatal("refused")
		}
	}
	if d.queue.Len() != 1 || d.heldBack.Len() != 3 || d.Waiting() != 4 {
		t.Fatalf("%d queued, %d held back", d.queue.Len(), d.heldBack.Len())
	}
	for range 3 { // there is no worker that it could run for long at
		if next := d.Widen(); len(next) != 0 || tr.window != 1 {
			t.Fatalf("the window is %d while the first waits for a worker", tr.window)
		}
	}
	if was, _ := d.Withdraw(calls[1]); !was || tr.held != 2 {
		t.Error("a call that was held back was not withdrawn")
	}
	if was, _ := d.Withdraw(calls[0]); !was || tr.running != 0 {
		t.Error("the call on trial was not withdrawn")
	}
	w := testSlots(1, l)
	d.Add(w)
	if next := d.Widen(); len(next) != 1 || next[0].Ticket != calls[2] || next[0].Slots != w || d.queue.Len() != 1 || len(d.trials) != 0 {
		t.Errorf("then %d were placed, %d queued, %d trials", len(next), d.queue.Len(), len(d.trials))
	}
	if next := d.EndTrials([]*Ticket{calls[2]}, true); len(next) != 0 || tr.running != 1 {
		t.Errorf("%d calls after the last one", tr.running)
	}
	if old := d.Expire(1 << 62); len(old) != 1 || old[0] != calls[3] || tr.running != 0 {
		t.Error("the last one did not expire")
	}
}
