package workers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// callbackIO is what an Exchange and a Tunnel have in common: what comes is told by callbacks.
type callbackIO interface {
	Consumed(n int)
	Write(p []byte) (queued int, err error)
	OnDrain(fn func())
	Post(fn func()) bool
	Home() asteri.Executor
}

// blockingIO makes sequence of the callbacks of what is below: its methods return when
// they are done.
//
// Its user is in one of two places. Inline, as the coroutine co on the
// executor, it calls that directly and waits by letting the executor go on.
// On any other goroutine it reaches it by Post, does not wait for the
// outcome of what it sends (a failure is the error of its next call), and waits
// on cond. Only the latter may read and write from two goroutines.
type blockingIO struct {
	below callbackIO

	mu      sync.Mutex
	cond    sync.Cond  // goroutines that wait
	waiting int        // how many wait, wherever they are
	running int        // announced to sched and not yet ended
	co      *coroutine // nil unless the user is inline
	err     error      // why nothing can be done any more
	atPeer  int        // how many wait for the peer to read or to send

	guard guard

	in         []byte // received and not yet read: in[inAt:]
	inAt       int
	inEnd      error // io.EOF, or why the input ends
	inTrailer  *asteri.Header
	unconsumed int // read, and not yet given back to the window below
	inLimit    deadline

	posted   int // bytes on their way to what is below
	queued   int // bytes that it has queued, when it last told
	draining bool
	outLimit deadline
}

func (s *blockingIO) init(below callbackIO, co *coroutine) {
	s.below = below
	s.co = co
	s.cond.L = &s.mu
}

// do runs fn on the executor. The error is fn's own if the user is inline, else
// that of an earlier call.
func (s *blockingIO) do(fn func() error) error {
	if s.inline() {
		return fn()
	}
	if err := s.failure(); err != nil {
		return err
	}
	if !s.below.Post(func() {
		if err := fn(); err != nil {
			s.fail(err)
		}
	}) {
		s.fail(asteri.ErrClosed)
		return s.failure()
	}
	return nil
}

// ask runs fn on the executor and waits for its outcome. fn does not run once
// ask has returned.
func (s *blockingIO) ask(fn func() error) (err error) {
	if s.inline() {
		return fn()
	}
	var done, abandoned bool
	if !s.below.Post(func() {
		s.mu.Lock()
		skip := abandoned
		s.mu.Unlock()
		if skip {
			return
		}
		returned := false
		defer func() {
			if !returned { // the exchange logs how, and nobody else would tell who waits
				s.fail(asteri.ErrClosed)
			}
		}()
		e := fn()
		returned = true
		s.mu.Lock()
		err, done = e, true
		s.mu.Unlock()
		s.signal()
	}) {
		return asteri.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(func() bool { return done || s.err != nil })
	if !done {
		abandoned = true
		return s.err
	}
	return err
}

// inline tells where the user is. It needs no lock: only the user moves, in
// Call.Block, and does not ask meanwhile.
func (s *blockingIO) inline() bool { return s.co != nil }

// failure returns why nothing can be done any more, or nil.
func (s *blockingIO) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail ends all for its user. The first cause counts.
func (s *blockingIO) fail(cause error) {
	if !errors.Is(cause, asteri.ErrClosed) {
		cause = fmt.Errorf("%w: %w", asteri.ErrClosed, cause)
	}
	s.mu.Lock()
	if s.err == nil {
		s.err = cause
	}
	s.mu.Unlock()
	s.signal()
}

// wait returns when ready does with true. mu is held at the start, at the end,
// and when ready is called.
func (s *blockingIO) wait(ready func() bool) {
	for !ready() {
		s.waiting++
		if co := s.co; co != nil {
			s.mu.Unlock()
			co.park()
			s.mu.Lock()
			continue
		}
		s.rests()
		s.cond.Wait()
	}
}

// awaitPeer is wait for what the peer does, which takes none of the handler's time.
func (s *blockingIO) awaitPeer(ready func() bool) {
	if ready() {
		return
	}
	s.atPeer++
	s.wait(ready)
	s.atPeer--
	s.guard.turnAgain()
}

// waitsForPeer tells whether the peer has to go on first.
func (s *blockingIO) waitsForPeer() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.atPeer > 0
}

// signal makes those who wait look again. It is called on the executor, or
// anywhere if the user is known not to be inline.
func (s *blockingIO) signal() {
	s.mu.Lock()
	co := s.co
	if co == nil {
		s.broadcast()
		s.mu.Unlock()
		return
	}
	parked := s.waiting > 0
	s.waiting = 0
	s.mu.Unlock()
	if parked {
		co.resume()
	}
}

// poke is signal for goroutines other than the executor's.
func (s *blockingIO) poke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.co != nil {
		s.below.Home().Post(s.signal)
		return
	}
	s.broadcast()
}

func (s *blockingIO) broadcast() {
	for ; s.waiting > 0; s.waiting-- {
		s.runs()
	}
	s.cond.Broadcast()
}

// runs tells the loops that a goroutine of this user wants a processor, rests
// that one waits. The handler's own goroutine counts from its start to its end;
// goroutines that it started are known only by their waits, so rests is called
// once more than runs for these, and ignored.
func (s *blockingIO) runs() {
	s.running++
	jobs.Begin()
}

func (s *blockingIO) rests() {
	if s.running > 0 {
		s.running--
		jobs.End()
	}
}

// Read reads content as it comes. At the end it returns io.EOF; if the content
// will not be completed, the reason; after the read deadline
// os.ErrDeadlineExceeded.
func (s *blockingIO) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	s.awaitPeer(func() bool {
		return s.inAt < len(s.in) || s.inEnd != nil || s.err != nil || s.inLimit.passed
	})
	n := copy(p, s.in[s.inAt:])
	s.inAt += n
	if s.inAt == len(s.in) {
		s.in, s.inAt = s.in[:0], 0
	}
	err := s.readErrorLocked(n)
	back := s.creditLocked(n)
	s.mu.Unlock()
	if back > 0 {
		_ = s.do(func() error { s.below.Consumed(back); return nil })
	}
	return n, err
}

func (s *blockingIO) readErrorLocked(n int) error {
	switch {
	case n > 0:
		return nil
	case s.inLimit.passed:
		return os.ErrDeadlineExceeded
	case s.inEnd != nil:
		return s.inEnd
	}
	return s.err
}

// creditLocked adds to what was read and returns how much of the window to give
// back now. Half of it may be kept: the sender can still go on with the other.
func (s *blockingIO) creditLocked(n int) int {
	s.unconsumed += n
	if s.unconsumed < asteri.BodyWindow/2 || s.inEnd != nil {
		return 0
	}
	n, s.unconsumed = s.unconsumed, 0
	return n
}

// sink is who takes what comes from below.
type sink blockingIO

// OnBody keeps a copy of p; the window below bounds what can be waiting.
func (k *sink) OnBody(p []byte) {
	s := (*blockingIO)(k)
	s.mu.Lock()
	if s.inAt > 0 && len(s.in)+len(p) > cap(s.in) {
		s.in = append(s.in[:0], s.in[s.inAt:]...)
		s.inAt = 0
	}
	s.in = append(s.in, p...)
	s.mu.Unlock()
	s.signal()
}

func (k *sink) OnEnd(trailer *asteri.Header) { k.end(io.EOF, trailer) }
func (k *sink) OnError(err error)            { k.end(err, nil) }

func (k *sink) end(err error, trailer *asteri.Header) {
	s := (*blockingIO)(k)
	s.mu.Lock()
	s.inEnd, s.inTrailer = err, trailer
	s.mu.Unlock()
	s.signal()
}

// writeChunk is how much is copied and posted at once.
const writeChunk = 32 << 10

// chunkBuffers hold what is on its way from a goroutine to the executor.
var chunkBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Write sends a copy of p. It waits while asteri.HighWater bytes or more are
// queued for the peer; after the write deadline it returns
// os.ErrDeadlineExceeded.
func (s *blockingIO) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		chunk := p[:min(len(p), writeChunk)]
		if err := s.send(chunk); err != nil {
			return n, err
		}
		n += len(chunk)
		p = p[len(chunk):]
	}
	return n, s.failure()
}

func (s *blockingIO) send(p []byte) error {
	inline, err := s.admit(len(p))
	if err != nil {
		return err
	}
	if inline {
		queued, err := s.below.Write(p)
		s.wrote(0, queued, err)
		return err
	}
	buf := chunkBuffers.Get().(*[]byte)
	*buf = append((*buf)[:0], p...)
	if !s.below.Post(func() {
		queued, err := s.below.Write(*buf)
		s.wrote(len(*buf), queued, err)
		chunkBuffers.Put(buf)
	}) {
		s.fail(asteri.ErrClosed)
		return s.failure()
	}
	return nil
}

// admit waits until n more bytes may be sent.
func (s *blockingIO) admit(n int) (inline bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaitPeer(func() bool {
		return s.posted+s.queued < asteri.HighWater || s.err != nil || s.outLimit.passed
	})
	switch {
	case s.err != nil:
		return false, s.err
	case s.outLimit.passed:
		return false, os.ErrDeadlineExceeded
	case s.co != nil:
		return true, nil
	}
	s.posted += n
	return false, nil
}

// wrote notes on the executor what became of a write.
func (s *blockingIO) wrote(posted, queued int, err error) {
	if err != nil {
		s.fail(err)
		return
	}
	s.mu.Lock()
	s.posted -= posted
	s.queued = queued
	arm := queued >= asteri.HighWater && !s.draining
	if arm {
		s.draining = true
	}
	s.mu.Unlock()
	if arm {
		s.below.OnDrain(s.drained)
	}
	s.signal()
}

func (s *blockingIO) drained() {
	s.mu.Lock()
	s.draining = false
	s.queued = 0
	s.mu.Unlock()
	s.signal()
}

// deadline is a time at which waiting ends.
type deadline struct {
	timer  *time.Timer // nil if none is set; also tells a timer that it is out of date
	passed bool
}

func (s *blockingIO) setDeadline(d *deadline, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	left := time.Until(t)
	d.passed = !t.IsZero() && left <= 0
	if t.IsZero() {
		return s.err
	}
	var timer *time.Timer
	timer = time.AfterFunc(max(left, 0), func() {
		s.mu.Lock()
		current := d.timer == timer
		d.passed = d.passed || current
		s.mu.Unlock()
		if current {
			s.poke()
		}
	})
	d.timer = timer
	return s.err
}

// release ends what it has going on beside what is below.
func (s *blockingIO) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running > 0 {
		s.rests()
	}
	for _, d := range []*deadline{&s.inLimit, &s.outLimit} {
		if d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
	}
}
