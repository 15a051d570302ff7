package compress

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// A codedBody codes the content of one response. It belongs to the exchange's
// executor; its coder belongs to a job while one runs.
//
// Content that comes in small amounts is coded where it comes. What is more than
// the executor has time for in one turn waits in a list for a job, which ends when
// it has made enough output for the executor to send; with that queue full it is
// the client's turn before there is another job.
type codedBody struct {
	x     *exchange
	coder *coder // nil once given back
	lease *lease

	left   int64 // of the announced content, -1 if there is no announcement
	events bool  // each write is an event to be sent at once

	inline    int   // bytes coded on the executor in this turn
	unflushed bool  // the encoder holds content back
	turnEnds  bool  // endTurn will be called
	waiting   []op  // for the next job, in order
	size      int64 // bytes of content in waiting and with the job
	memory    int   // of these, those in memory, which the exchange counts
	busy      bool  // a job runs
	full      bool  // the queue below is beyond its high-water mark
	asked     bool  // the exchange below will tell when there is room
	dead      bool  // nobody wants the rest
	finished  bool  // the handler has said that this is all

	onDrain func()
}

// op is content, or the end of it.
type op struct {
	data    []byte
	file    asteri.File // data is nil: n bytes from off on
	off, n  int64
	end     bool
	trailer *asteri.Header
}

// lease counts a body until its coder is given back, or the body is garbage:
// a handler that panicked may have left it.
type lease struct {
	h    *handler
	over atomic.Bool
}

func (l *lease) end() {
	if !l.over.Swap(true) {
		l.h.bodies.Add(-1)
	}
}

func newCodedBody(x *exchange, c *coder, length int64, events bool) *codedBody {
	s := &codedBody{x: x, coder: c, left: length, events: events, lease: &lease{h: x.handler}}
	runtime.AddCleanup(s, (*lease).end, s.lease)
	return s
}

var eventStream = []byte("text/event-stream")

func isEventStream(contentType []byte) bool {
	return len(contentType) >= len(eventStream) && bytes.EqualFold(contentType[:len(eventStream)], eventStream)
}

// write codes p, or has it coded. It returns how many bytes wait.
func (s *codedBody) write(p []byte) (queued int, err error) {
	switch {
	case s.dead:
		return 0, asteri.ErrClosed
	case len(p) == 0:
		return s.queued(nil)
	case s.overfilled():
		s.x.Abort(httpfield.ErrQueueFull)
		return 0, httpfield.ErrQueueFull
	case s.busy || len(s.waiting) > 0 || s.inline+len(p) > s.coder.from.inline:
		s.put(op{data: bytes.Clone(p)}, int64(len(p)))
		return s.queued(nil)
	}
	s.inline += len(p)
	if _, err := s.coder.Write(p); err != nil {
		return 0, s.fail(err)
	}
	s.unflushed = true
	if s.events {
		if err := s.coder.Flush(); err != nil {
			return 0, s.fail(err)
		}
		s.unflushed = false
	}
	s.awaitTurn()
	return s.queued(s.takeOutput())
}

// overfilled tells whether the handler has not heeded what Write returned: as much waits
// as would end the exchange below.
func (s *codedBody) overfilled() bool {
	home, ok := s.x.Home().(interface{ MaxQueued() int })
	return ok && s.memory >= home.MaxQueued()
}

// takeOutput returns what came out of the encoder. It is valid until the next call
// of that.
func (s *codedBody) takeOutput() []byte {
	out := s.coder.out
	s.coder.out = out[:0]
	return out
}

// queued writes p below and returns how many bytes wait, here and there.
func (s *codedBody) queued(p []byte) (int, error) {
	n, err := s.x.Exchange.Write(p)
	if err != nil {
		s.drop()
		return 0, err
	}
	s.full = n >= asteri.HighWater
	return n + int(s.size), nil
}

// awaitTurn has what was written so far sent at the end of the handler's turn: at
// once there would be little to code together, later it would be late.
func (s *codedBody) awaitTurn() {
	if !s.turnEnds && !s.x.serving {
		s.turnEnds = true
		s.x.Exchange.Post(s.endTurn)
	}
}

func (s *codedBody) endTurn() {
	s.turnEnds = false
	s.inline = 0
	if !s.unflushed || s.busy || s.dead || s.coder == nil {
		return
	}
	s.unflushed = false
	if err := s.coder.Flush(); err != nil {
		_ = s.fail(err)
		return
	}
	_, _ = s.queued(s.takeOutput()) // an error means that the exchange has ended
}

func (s *codedBody) sendFile(f asteri.File, off, n int64) {
	if s.dead || n == 0 {
		f.Close()
		return
	}
	s.put(op{file: f, off: off, n: n}, n)
}

// put adds to what waits for a job, and starts one if it can run.
func (s *codedBody) put(o op, n int64) {
	s.size += n
	s.count(len(o.data))
	s.waiting = append(s.waiting, o)
	s.x.listen()
	s.pump()
}

// count counts content that is in memory for the client.
func (s *codedBody) count(n int) {
	if n != 0 {
		s.memory += n
		s.x.Reserve(n)
	}
}

// pump starts a job if there is something to do and room for what comes of it.
func (s *codedBody) pump() {
	if s.busy || s.dead || len(s.waiting) == 0 {
		return
	}
	if s.full {
		s.askForRoom()
		return
	}
	s.busy, s.unflushed = true, false
	j := &job{coder: s.coder, ops: s.waiting}
	s.waiting = nil
	x := s.x
	x.handler.pool.Go(func() {
		returned := false
		defer func() { // reading a file of the handler's may panic, or end the goroutine
			if !returned {
				j.err = callback.Panicked(recover())
			}
			if !x.Exchange.Post(func() { s.took(j) }) {
				j.abandon(s.lease)
			}
		}()
		j.run()
		returned = true
	})
}

// took takes the outcome of a job.
func (s *codedBody) took(j *job) {
	s.busy = false
	if s.dead {
		s.coder = nil
		j.abandon(s.lease)
		return
	}
	s.size -= j.coded
	s.count(-j.memory)
	s.waiting = append(j.ops, s.waiting...)
	if j.err != nil {
		_ = s.fail(j.err)
		return
	}
	if _, err := s.queued(s.takeOutput()); err != nil {
		return
	}
	if j.ended {
		_ = s.end(j.trailer) // which has ended the exchange either way
		return
	}
	s.pump()
	if s.onDrain != nil {
		s.askForRoom()
	}
}

// finish ends the content.
func (s *codedBody) finish(trailer *asteri.Header) error {
	s.finished = true
	switch {
	case s.dead:
		return s.x.Exchange.Finish(trailer) // which is over, and counts until it is told that the handler is done
	case s.busy || len(s.waiting) > 0:
		if trailer != nil {
			trailer = trailer.Clone()
		}
		s.put(op{end: true, trailer: trailer}, 0)
		return nil
	}
	if err := s.coder.Close(); err != nil {
		return s.fail(err)
	}
	if _, err := s.x.Exchange.Write(s.takeOutput()); err != nil {
		s.drop()
		return err
	}
	return s.end(trailer)
}

// end ends the exchange, all content being with it.
func (s *codedBody) end(trailer *asteri.Header) error {
	s.giveBack()
	return s.x.Exchange.Finish(trailer)
}

// fail ends the exchange for an error that the client must not take for the end.
func (s *codedBody) fail(err error) error {
	s.drop()
	s.x.over = true
	s.x.closed.Store(true)
	s.x.Exchange.Abort(err)
	return err
}

// drop lets go of everything. A job that runs does so when it ends.
func (s *codedBody) drop() {
	if s.dead {
		return
	}
	s.dead = true
	s.count(-s.memory) // what a job has it lets go of soon
	closeFiles(s.waiting)
	s.waiting = nil
	if !s.busy {
		s.giveBack()
	}
}

// done tells whether the body has ended and nothing will call it any more.
func (s *codedBody) done() bool { return s.coder == nil && !s.asked && !s.turnEnds }

func (s *codedBody) giveBack() {
	s.dead = true
	if s.coder != nil {
		s.coder.from.put(s.coder)
		s.coder = nil
		s.lease.end()
	}
}

// notify sets the function to call when there is room for more.
func (s *codedBody) notify(fn func()) {
	s.onDrain = fn
	if s.size < asteri.LowWater {
		s.askForRoom()
	} // else took will ask
}

func (s *codedBody) askForRoom() {
	if !s.asked {
		s.asked = true
		s.x.Exchange.OnDrain(s.drained)
	}
}

func (s *codedBody) drained() {
	s.asked, s.full = false, false
	s.pump()
	if fn := s.onDrain; fn != nil && s.size < asteri.LowWater && !s.dead {
		s.onDrain = nil
		fn()
	}
}

func closeFiles(ops []op) {
	for _, o := range ops {
		if o.file != nil {
			o.file.Close()
		}
	}
}

// enough is how much output a job makes, in bytes, and piece how much of a file it
// reads at a time.
const (
	enough = 64 << 10
	piece  = 32 << 10
)

// job codes content on a goroutine of its own.
type job struct {
	coder *coder
	ops   []op // what is left to do

	coded   int64 // bytes of content
	memory  int   // of these, those that were in memory
	ended   bool  // the coding is complete
	trailer *asteri.Header
	err     error
}

// run codes until there is nothing more, or enough output. What comes last is
// flushed: more may be long in coming.
func (j *job) run() {
	for len(j.ops) > 0 && len(j.coder.out) < enough && j.err == nil {
		o := &j.ops[0]
		switch {
		case o.end:
			j.ended, j.trailer, j.err = true, o.trailer, j.coder.Close()
		case o.file != nil:
			if j.err = j.codePiece(o); o.n > 0 {
				continue
			}
			o.file.Close()
		default:
			j.coded += int64(len(o.data))
			j.memory += len(o.data)
			_, j.err = j.coder.Write(o.data)
		}
		j.ops = j.ops[1:]
	}
	if len(j.ops) == 0 && !j.ended && j.err == nil {
		j.err = j.coder.Flush()
	}
}

// codePiece codes the next piece of a file. One that has become shorter than was
// announced is an error.
func (j *job) codePiece(o *op) error {
	if j.coder.scratch == nil {
		j.coder.scratch = make([]byte, piece)
	}
	n, err := o.file.ReadAt(j.coder.scratch[:min(o.n, piece)], o.off)
	o.off += int64(n)
	o.n -= int64(n)
	j.coded += int64(n)
	switch {
	case n > 0:
		_, err = j.coder.Write(j.coder.scratch[:n])
	case err == nil || errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return err
}

// abandon lets go of everything.
func (j *job) abandon(l *lease) {
	closeFiles(j.ops)
	j.coder.from.put(j.coder)
	l.end()
}
