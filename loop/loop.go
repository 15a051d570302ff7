package loop

import (
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/jobs"
	"github.com/asteri/asteri-loop/internal/system/wheel"
	"github.com/asteri/asteri-loop/poller"
)

// Loop is one event loop: a poller, the connections it owns, and their timers.
// It runs on one goroutine.
type Loop struct {
	id     int
	engine *Engine
	log    *slog.Logger
	poll   *poller.Poller
	mail   posts
	owner  owner

	goroutine atomic.Int64 // on which it runs; 0 when it does not
	maxQueued int
	idleLimit ticks // 0: none

	// What follows belongs to the loop's goroutine.
	registered []registration
	freeSlots  []uint32
	events     []poller.Event
	found      int // events of the last look that found any
	crowd      crowd
	busyPoll   busyPoll
	began      time.Duration // by the clock of deadlines, as all of the wheel is
	elapsed    time.Duration // from then to the start of the tick
	now        time.Time
	wheel      wheel.Wheel[conn, wheelTimers]
	chunks     chunks
	in         []byte // bytes just read; valid for one OnData
	plain      []byte // the same, decrypted; made when first needed

	running    []func() // functions being run, so that a panic loses only one
	runningAt  int
	dirty      turns // have something to send
	again      turns // have input to be offered again
	closing    turns // aborted: to be closed at the end of the tick
	shutdowns  turns // to be told that the server is draining
	unfinished bool  // a session's failure cut the last tick short
	current    *conn // whose turn it is: it ends if what is called fails
	holders    map[Holder]struct{}
	pressed    bool      // the budget is over: somebody is to be given up
	relieved   time.Time // when that was last tried in vain
	unrelieved bool      // and it is to be tried again
	fileJobs   int       // jobs of the file pool for connections of this loop
	drainState drainState
	lasting    lasting
	stopped    bool
	torn       bool // and all is released

	proxyWarned time.Time // when the log was last told of a proxy's mistake

	stats  loopStats
	spoken spoken
	busy   busyMeter

	reliefPosted atomic.Bool  // by another loop
	lent         atomic.Int64 // bytes that adopted connections hold, when last looked at
}

// registration is a place in the table of descriptors that tokens point into.
type registration struct {
	generation uint32
	conn       *conn
	acceptor   *acceptor
}

// loopStats are written by the loop and read by anyone.
type loopStats struct {
	connections atomic.Int64 // accepted ones that are open
	accepted    atomic.Uint64
	ticks       atomic.Uint64
	panics      atomic.Uint64
}

func newLoop(id int, e *Engine) (*Loop, error) {
	p, err := poller.New()
	if err != nil {
		return nil, err
	}
	l := &Loop{
		id: id, engine: e, log: e.cfg.Logger, poll: p,
		events:    make([]poller.Event, 0, 256),
		in:        make([]byte, readSize),
		began:     awake.Now(),
		holders:   make(map[Holder]struct{}),
		maxQueued: e.cfg.MaxQueued,
		idleLimit: idleTicks(e.cfg.IdleTimeout),
	}
	l.now = time.Now()
	l.chunks.budget = e.budget
	return l, nil
}

// ID returns the loop's number, from 0. It may be called from any goroutine.
func (l *Loop) ID() int { return l.id }

// Budget returns the count of buffer memory, to which sessions add what they
// buffer themselves. It may be called from any goroutine.
func (l *Loop) Budget() *Budget { return l.engine.budget }

// Now returns the time at the start of the tick.
func (l *Loop) Now() time.Time { return l.now }

// MaxQueued returns Config.MaxQueued as it is in force. It may be called from any goroutine.
func (l *Loop) MaxQueued() int { return l.maxQueued }

// Running tells whether the loop runs: its engine was started and has not ended. It may
// be called from any goroutine.
func (l *Loop) Running() bool { return l.engine.started.Load() && !l.mail.hasEnded() }

// Post runs fn on the loop's goroutine, in its next tick, which comes once the engine
// runs. It may be called from any goroutine. It returns false, and fn will not run, once
// the loop has ended. It panics if fn is nil.
func (l *Loop) Post(fn func()) bool {
	if fn == nil {
		misused("Loop.Post", "the function must not be nil")
	}
	if !l.mail.add(fn) {
		return false
	}
	_ = l.poll.Wake() // fails only for a closed poller: the loop has ended
	return true
}

// TakeOwnership tells a debug build that the calling goroutine, a coroutine
// that the loop's goroutine switched to, owns the loop until the function that
// it returns is called. In release builds it costs nothing.
func (l *Loop) TakeOwnership() (giveBack func()) {
	previous := l.owner.take()
	return func() { l.owner.give(previous) }
}

// CheckOwner panics in a debug build if the calling goroutine does not own the loop: it is
// for those whose calls belong to a loop and do not touch a Conn. In release builds it
// does nothing.
func (l *Loop) CheckOwner() { l.owner.check() }

// run ticks until the loop is stopped. A session that ends the goroutine
// (runtime.Goexit) ends only itself: the loop goes on, with all its state, on a
// new goroutine.
func (l *Loop) run() {
	defer func() {
		if !l.torn {
			defer func() { go l.run() }() // also if the logger ends the goroutine, too
			l.crashed("a session ended the loop's goroutine", nil)
			return
		}
		l.goroutine.Store(0)
		l.engine.loopsDone.Done()
	}()
	l.goroutine.Store(goroutineID())
	l.owner.take()
	for !l.stopped {
		l.tick()
	}
	l.teardown()
	l.torn = true
}

// tick waits for events and handles one round of everything.
func (l *Loop) tick() {
	defer l.recoverTick()
	l.wait()
	for len(l.events) > 0 {
		ev := l.events[len(l.events)-1]
		l.events = l.events[:len(l.events)-1]
		l.dispatch(ev)
		l.relieve()
	}
	l.runPosts()
	l.shutdowns.round((*conn).shutdown)
	l.again.roundWithin(&share{}, (*conn).offerAgain)
	l.wheel.Advance(ticks(l.elapsed/slotTime), (*conn).onWheel)
	l.dirty.round((*conn).flush)
	l.closeAborted()
	l.settle()
	l.relieve()
	l.stats.ticks.Add(1)
	if l.engine.cfg.Adaptive || l.id == 0 && l.engine.cfg.OnBusy != nil {
		l.measure()
	}
}

// wait polls. It looks without waiting first, which is cheap and usually finds
// something on a busy server; only then does it sleep. Before that it yields to
// other goroutines, which also gives a little time for more to come. A loop with
// one event at a time goes without: the runtime starts a thread for each yield,
// and while that little happens there is a processor for others anyway. It may look
// on for a moment instead (busypoll.go).
func (l *Loop) wait() {
	if jobs.Outstanding() {
		runtime.Gosched()
	}
	if l.look(0) || !l.idle() {
		l.unfinished = false
		return
	}
	if l.found > 1 {
		runtime.Gosched()
	}
	if l.pollOn() {
		return
	}
	l.busy.sleeping(l.now)
	l.look(l.sleepTime())
	l.busy.awake(l.now)
}

// idle tells whether nothing but events, posts and timers can give the loop
// work.
func (l *Loop) idle() bool {
	return !l.unfinished && l.dirty.empty() && l.again.empty() && l.closing.empty() && l.shutdowns.empty() && l.runningAt == len(l.running)
}

func (l *Loop) look(d time.Duration) bool {
	events, err := l.poll.Wait(l.events[:0], d)
	l.now = time.Now()
	l.elapsed = awake.At(l.now) - l.began
	l.events = events
	if len(events) > 0 {
		l.found = len(events)
		l.crowd.saw(len(events))
	}
	if err != nil {
		l.log.Error("polling failed", "loop", l.id, "error", err)
		time.Sleep(10 * time.Millisecond) // a broken poller must not spin
	}
	return len(events) > 0
}

func (l *Loop) sleepTime() time.Duration {
	d := time.Duration(-1)
	if n := l.wheel.Next(); n > 0 {
		d = max(time.Duration(l.wheel.Current+n)*slotTime-l.elapsed, time.Millisecond)
	}
	if l.unrelieved && (d < 0 || d > reliefWait) {
		d = reliefWait
	}
	return d
}

func (l *Loop) dispatch(ev poller.Event) {
	i := ev.Token.Slot()
	if int(i) >= len(l.registered) || l.registered[i].generation != ev.Token.Generation() {
		return // an event of a descriptor that is closed by now
	}
	s := &l.registered[i]
	switch {
	case s.conn != nil:
		l.current = s.conn
		s.conn.onReady(ev.Ready)
		l.current = nil
	case s.acceptor != nil:
		s.acceptor.accept()
	}
}

// runPosts runs what was posted before the tick, or begins with it and goes on in the
// next one.
func (l *Loop) runPosts() {
	if l.runningAt == len(l.running) {
		l.poll.Awake() // first: what is posted after it wakes the next wait
		l.running, l.runningAt = l.mail.take(), 0
	}
	for within := (share{}); l.runningAt < len(l.running) && !within.over(); {
		fn := l.running[l.runningAt]
		l.running[l.runningAt] = nil
		l.runningAt++
		fn()
		l.current = nil // whose it was
		l.relieve()
	}
}

// closeAborted closes what was aborted, also by the sessions that are told so.
func (l *Loop) closeAborted() {
	for !l.closing.empty() {
		l.closing.round((*conn).finishClose)
	}
}

// addSlot finds a free place in the table and returns its token.
func (l *Loop) addSlot(c *conn, a *acceptor) poller.Token {
	var i uint32
	if n := len(l.freeSlots); n > 0 {
		i, l.freeSlots = l.freeSlots[n-1], l.freeSlots[:n-1]
	} else {
		i = uint32(len(l.registered))
		l.registered = append(l.registered, registration{generation: 1})
	}
	l.registered[i].conn, l.registered[i].acceptor = c, a
	return poller.NewToken(i, l.registered[i].generation)
}

// dropSlot frees a place; later events with its token are dropped.
func (l *Loop) dropSlot(t poller.Token) {
	s := &l.registered[t.Slot()]
	s.generation++
	s.conn, s.acceptor = nil, nil
	l.freeSlots = append(l.freeSlots, t.Slot())
}
