package loop

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// What holds memory for clients is never bounded by not reading: a WINDOW_UPDATE, an
// acknowledgement or a request for the server's health would wait behind it. When the
// budget is over, those who hold the most are given up instead, until it is not.
//
// Each loop gives up its own: the one that finds the budget over begins, and has the
// others look if that was not enough. Nobody is given up who holds less than the mean
// over all clients, so the loop that has the greatest holders is the one to act.

// Shedder is a Session that has a say when its connection has to be given up. Any
// other is aborted, and never counts as idle.
type Shedder interface {
	Session
	// OnShed says that the connection has to go, since it holds more memory than
	// others and there is too little of it, or is idle and there are too many. The
	// session tells the client so if that takes little, lets go of what it holds,
	// and closes. The loop aborts the connection if it does not, or still holds much.
	OnShed()
	// Idle tells whether nothing is under way, so that a client loses nothing by
	// the end of the connection.
	Idle() bool
}

// Holder holds memory for a client whose connection is not the loop's own, such as
// one of QUIC. Its methods are called on the goroutine of the loop that knows it.
type Holder interface {
	// Held returns the bytes that it has added to the budget.
	Held() int64
	// OnShed is as that of a Shedder.
	OnShed()
}

// AddHolder makes h, which must not be nil, known for as long as its connection lasts:
// until RemoveHolder.
func (l *Loop) AddHolder(h Holder) {
	l.owner.check()
	if h == nil {
		misused("Loop.AddHolder", "the holder must not be nil")
	}
	l.holders[h] = struct{}{}
}

// RemoveHolder forgets h.
func (l *Loop) RemoveHolder(h Holder) {
	l.owner.check()
	delete(l.holders, h)
}

// reserve counts n bytes of memory; a negative n gives them back.
func (l *Loop) reserve(n int) {
	l.owner.check()
	l.chunks.reserved += int64(n)
	if l.chunks.reserved > settleStep {
		l.settle()
	}
}

func (c *conn) Reserve(n int) {
	c.reserved += int64(n)
	c.loop.reserve(n)
}

func (c *conn) Heavy() bool {
	e := c.loop.engine
	return e.budget.over() && e.Heavy(c.memory())
}

const (
	// settleStep is how many bytes a loop takes before the others know.
	settleStep = 256 << 10
	// shedRest is what a connection may hold that is closing because it was shed:
	// enough for what it says last.
	shedRest = 128 << 10
	// reliefPause is how long a loop that found nobody to give up waits at least before
	// it looks again, and reliefWait at most.
	reliefPause = 5 * time.Millisecond
	reliefWait  = 20 * time.Millisecond
)

// settle tells the budget what has changed, and finds out whether it is over.
func (l *Loop) settle() {
	l.chunks.settle()
	if l.engine.budget.over() {
		l.pressed = true
	}
	l.engine.watchPressure()
}

// watchPressure tells OnPressure when memory becomes short, and when there is plenty
// again.
func (e *Engine) watchPressure() {
	high := e.pressure.Load()
	now := e.budget.Tight() || high && e.budget.used() > e.budget.max/2
	if now != high && e.pressure.CompareAndSwap(high, now) && e.cfg.OnPressure != nil {
		go e.tellPressure()
	}
}

func (e *Engine) tellPressure() {
	e.pressureMu.Lock() // so that the last call has the last word
	defer e.pressureMu.Unlock()
	defer recoverFrom(e.cfg.Logger, "Config.OnPressure panicked")
	e.cfg.OnPressure(e.pressure.Load(), e.budget.used())
}

// memory returns the bytes that the connection keeps in memory.
func (c *conn) memory() int64 {
	n := c.reserved + int64(cap(c.kept)) + c.out.memory()
	if c.layer != nil {
		n += c.layer.sealed.memory() + int64(c.layer.view.counted)
	}
	return n
}

// memory returns the memory of the bytes in q.
func (q *sendQueue) memory() (n int64) {
	for k := q.head; k != nil; k = k.next {
		if k.file == nil {
			n += int64(cap(k.data))
		}
	}
	return n
}

// Heavy is as that of a Conn, for a Holder of held bytes. It may be called from any
// goroutine.
func (e *Engine) Heavy(held int64) bool { return e.budget.over() && held > 0 && held >= e.meanHeld() }

// shedCounts are connections that were given up, by the reason.
type shedCounts struct{ memory, idle atomic.Uint64 }

// holding is a connection that may be given up.
type holding struct {
	bytes  int64
	conn   *conn // or
	holder Holder
}

// relieve gives up connections if the budget is over. It is called between events, never
// within a session's call.
func (l *Loop) relieve() {
	if l.pressed {
		l.giveUp()
	}
}

// giveUp gives up connections until the budget is no longer over, or none is left that
// holds the mean.
func (l *Loop) giveUp() {
	l.pressed = false
	l.chunks.settle()
	b := l.engine.budget
	if l.unrelieved = b.over(); !l.unrelieved || l.now.Sub(l.relieved) < reliefPause {
		return
	}
	excess := b.excess()
	for _, h := range l.heaviest() {
		if excess <= 0 || b.excess() <= 0 {
			break
		}
		excess -= h.bytes
		l.shed(h)
	}
	if l.unrelieved = b.over(); l.unrelieved {
		l.relieved = l.now
		l.engine.relieveOthers(l)
	}
}

// heaviest returns who holds the mean over all clients or more, the greatest first.
// A connection whose output is about to be sent does not hold it, and one that a Go
// program has adopted is no client.
func (l *Loop) heaviest() []holding {
	var all []holding
	var lent int64
	for i := range l.registered {
		switch c := l.registered[i].conn; {
		case c == nil || c.kind == accepted && c.isDirty && !c.blocked:
		case c.kind == adopted:
			lent += c.memory()
		default:
			all = append(all, holding{bytes: c.memory(), conn: c})
		}
	}
	for h := range l.holders {
		all = append(all, holding{bytes: l.heldBy(h), holder: h})
	}
	l.lent.Store(lent)
	mean := l.engine.meanHeld()
	all = slices.DeleteFunc(all, func(h holding) bool { return h.bytes < mean || h.bytes == 0 })
	slices.SortFunc(all, func(a, b holding) int { return cmp.Compare(b.bytes, a.bytes) })
	return all
}

// meanHeld returns the bytes that a client holds on average. What adopted connections
// hold is as it was when each loop last looked.
func (e *Engine) meanHeld() int64 {
	held := e.budget.used()
	for _, l := range e.loops {
		held -= l.lent.Load()
	}
	return max(held, 0) / max(e.open.Load(), 1)
}

func (l *Loop) shed(h holding) {
	l.engine.shed.memory.Add(1)
	if h.holder != nil {
		l.askHolder(h.holder, h.holder.OnShed)
	} else {
		h.conn.shed()
	}
	l.closeAborted()
	l.chunks.settle()
}

// heldBy asks a holder. One that fails is not asked again, so that it is not in the way
// of others.
func (l *Loop) heldBy(h Holder) (held int64) {
	l.askHolder(h, func() { held = h.Held() })
	return held
}

func (l *Loop) askHolder(h Holder, ask func()) {
	answered := false
	defer func() {
		if !answered {
			delete(l.holders, h)
		}
	}()
	ask()
	answered = true
}

// shed gives up the connection.
func (c *conn) shed() {
	if s, ok := c.session.(Shedder); ok && c.state == stateOpen {
		c.loop.current = c
		s.OnShed()
	}
	if c.state == stateOpen || c.state != stateClosed && c.memory() > shedRest {
		c.Abort(Shed)
	}
	c.loop.current = nil
}

// relieveOthers has the other loops look for who is to be given up.
func (e *Engine) relieveOthers(but *Loop) {
	for _, l := range e.loops {
		if l != but && !l.reliefPosted.Swap(true) {
			l.Post(func() {
				l.reliefPosted.Store(false)
				l.pressed = true
			})
		}
	}
}

// Relieve has memory given up if the budget is over. It is for those who reserve
// without a loop, and may be called from any goroutine.
func (e *Engine) Relieve() {
	if e.budget.over() {
		e.relieveOthers(nil)
	}
}
