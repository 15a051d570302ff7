package http3

import (
	"errors"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
)

// output is what a stream has to send. It belongs to the home's goroutine, except for
// the piece that a writing goroutine has.
type output struct {
	queue   exchange.Queue
	raw     []byte // header sections, which go before the queue
	corked  bool   // raw waits for the end of the present event
	direct  int    // bytes given to QUIC since it was last known to have sent all
	writing int    // memory of what a writing goroutine has; 0: there is none
	counted int    // bytes of the queue that the session's backlog counts
}

const (
	// directMax is what QUIC is given on one stream without waiting until it was
	// sent: a response of this size costs no goroutine.
	directMax = 16 << 10
	// pieceMax is what a writing goroutine is given, and writeStep what it writes
	// within StallTimeout.
	pieceMax  = 64 << 10
	pieceRoom = pieceMax + 1<<10 // with the headers of its frames
	writeStep = 8 << 10
	// writerStack is about what the goroutine itself takes.
	writerStack = 8 << 10
)

// reset keeps the memory of a usual head.
func (o *output) reset() {
	raw := o.raw[:0]
	if cap(raw) > 1<<10 {
		raw = nil
	}
	*o = output{raw: raw}
}

func (st *serverStream) dropOutput() {
	st.out.queue.Drop(st.session.at.Local)
	st.out.raw = nil
	st.waiting()
}

// Compose puts a header section together.
func (st *serverStream) Compose(head *exchange.Head, h *asteri.Header) error {
	return st.session.at.section.Compose(head, h)
}

// Commit sends the header section, and content. One that content may follow later waits
// for it until the end of the present event: they go in one packet.
func (st *serverStream) Commit(head *exchange.Head, content []byte, end bool) {
	if st.state != streamOpen {
		return
	}
	o := &st.out
	before := len(o.raw)
	o.raw = appendHeaders(o.raw, st.session.at.section.Complete(head, st.x))
	st.x.Framed(len(o.raw) - before)
	switch {
	case end && len(content) == 0:
		o.queue.End(nil)
		st.pump()
	case end:
		st.send(content, true)
	default:
		st.cork()
	}
}

// cork has the stream's queue looked at when the present event is over.
func (st *serverStream) cork() {
	if o := &st.out; !o.corked {
		o.corked = true
		if !st.serving { // serve does so itself
			st.post(st.uncork)
		}
	}
}

func (st *serverStream) uncork() {
	st.out.corked = false
	st.pump()
}

// Send sends content, or queues what cannot be sent now.
func (st *serverStream) Send(p []byte) (queued int) { return st.send(p, false) }

func (st *serverStream) send(p []byte, end bool) (queued int) {
	if !st.sends() {
		return 0
	}
	if !st.sendNow(p) {
		st.out.queue.Write(st.session.at.Local, p)
	}
	if end {
		st.out.queue.End(nil)
	}
	st.pump()
	return st.waiting()
}

// sends tells whether something may still be sent on the stream.
func (st *serverStream) sends() bool { return st.state == streamOpen && !st.out.queue.Ended() }

// SendFile queues a part of a file.
func (st *serverStream) SendFile(f asteri.File, off, n int64) (queued int) {
	if !st.sends() {
		f.Close()
		return 0
	}
	st.out.queue.WriteFile(f, off, n)
	st.pump()
	return st.waiting()
}

// End queues the end of the response.
func (st *serverStream) End(trailer bool) {
	if !st.sends() {
		return
	}
	if !trailer {
		st.send(nil, true)
		return
	}
	st.out.queue.End(st.session.at.section.Trailer())
	st.pump()
}

// Queued returns how many bytes wait to be sent.
func (st *serverStream) Queued() int { return st.waiting() }

// Full implements exchange.Channel.
func (st *serverStream) Full() bool { return st.out.queue.Kept() >= st.session.at.MaxQueued }

// waiting returns how many bytes wait to be sent, as far as the handler is to know, and
// counts them.
func (st *serverStream) waiting() int {
	return st.session.streams.Waiting(&st.out.counted, st.out.queue.Len())
}

// sendNow gives QUIC content, with the head that waits for it, if there is room for
// all of it.
func (st *serverStream) sendNow(p []byte) bool {
	o, at := &st.out, st.session.at
	if len(p) == 0 {
		return true
	}
	if o.writing > 0 || o.queue.Len() > 0 || o.direct+len(o.raw)+len(p) > directMax {
		return false
	}
	at.scratch = append(at.scratch[:0], o.raw...)
	at.scratch = appendFrameHeader(at.scratch, frameData, len(p))
	at.scratch = append(at.scratch, p...)
	return st.direct(at.scratch)
}

// direct gives QUIC the next bytes of the stream, if there is room for all of them.
func (st *serverStream) direct(b []byte) bool {
	o := &st.out
	if o.direct+len(b) > directMax || st.session.server.engine.Budget().Tight() || st.str.TryWriteAll(b) != nil {
		return false
	}
	o.direct += len(b)
	o.raw = o.raw[:0]
	return true
}

// pump sends what there is, by a goroutine if it is much, and ends the stream behind
// the last. It tells whether the stream goes on.
func (st *serverStream) pump() bool {
	o := &st.out
	switch {
	case st.state != streamOpen:
		return false
	case o.writing > 0, o.corked && !o.queue.Ended() && o.queue.Len() == 0:
		return true
	}
	b := st.next()
	if len(b) > 0 && !st.direct(b) {
		o.raw = nil // b is the goroutine's
		o.writing = cap(b)
		st.session.Reserve(o.writing + writerStack)
		go st.write(b, st.x == nil)
		return true
	}
	if o.queue.Ended() && o.queue.Len() == 0 {
		st.allSent()
		return false
	}
	o.queue.Load(st.session.at.Local, &st.session.streams.Loads, st.loaded)
	return true
}

// next takes the next bytes off the queue, in frames behind raw, and the trailer
// section if nothing else is left.
func (st *serverStream) next() []byte {
	o, at := &st.out, st.session.at
	for len(o.raw) < pieceMax {
		p := o.queue.Peek(pieceMax - len(o.raw))
		if len(p) == 0 {
			break
		}
		if o.queue.Len() > directMax && cap(o.raw) < pieceRoom { // it will be a goroutine's
			o.raw = append(takeRaw(), o.raw...)
		}
		o.raw = appendFrameHeader(o.raw, frameData, len(p))
		o.raw = append(o.raw, p...)
		o.queue.Advance(at.Local, len(p))
	}
	if t := o.queue.Trailer(); t != nil && o.queue.Len() == 0 {
		o.raw = appendHeaders(o.raw, t.Fields())
		o.queue.End(nil)
	}
	return o.raw
}

// loaded is called when the next piece of a file is there.
func (st *serverStream) loaded(err error) {
	if err != nil {
		st.x.FileFailed(err)
		return
	}
	st.goOn()
}

// goOn sends more, and asks for more if little is left.
func (st *serverStream) goOn() {
	goesOn := st.pump()
	if st.waiting(); goesOn && st.out.queue.Len() < asteri.LowWater {
		st.party.Drained()
	}
}

// write writes a piece, on a goroutine of its own. A client has to take each step of it
// within StallTimeout, and at the least rate. That of a tunnel may be slower.
func (st *serverStream) write(b []byte, tunnelled bool) {
	stall := st.session.server.cfg.StallTimeout
	if t := &st.session.server.settings.Timeouts; t.ResponseRate > 0 && !tunnelled {
		slowest := t.RateGrace + time.Duration(float64(writeStep)/float64(t.ResponseRate)*float64(time.Second))
		if stall <= 0 || slowest < stall {
			stall = slowest
		}
	}
	var err error
	piece := b
	for len(b) > 0 && err == nil {
		if stall > 0 {
			_ = st.str.SetWriteDeadline(now().Add(stall))
		}
		n := min(len(b), writeStep)
		_, err = st.str.Write(b[:n])
		b = b[n:]
	}
	_ = st.str.SetWriteDeadline(time.Time{})
	giveRaw(piece)
	st.post(func() { st.wrote(err) })
}

// errStalled is why a client is given up that takes nothing.
var errStalled = errors.New("client takes no bytes of the response")

// wrote goes on behind a piece.
func (st *serverStream) wrote(err error) {
	o := &st.out
	st.session.Reserve(-o.writing - writerStack)
	o.writing, o.direct = 0, 0
	if err != nil {
		if isLate(err) {
			err = errStalled
		}
		st.end(lost, goneCause(err))
	} else {
		st.goOn()
	}
	st.settle()
}

// allSent is called when QUIC has the last byte of the response.
func (st *serverStream) allSent() {
	st.state = streamSent
	st.stopWatching()
	_ = st.str.Close()
	st.settle()
}
