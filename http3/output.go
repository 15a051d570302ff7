package http3

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/stream"
)

// output is what a stream has to send. It belongs to the home's goroutine, except for
// the piece that a writing goroutine has.
type output struct {
	queue   stream.Queue
	raw     []byte // frames that go before the queue
	direct  int    // bytes given to QUIC since it was last known to have sent all
	writing bool
	loading bool
}

const (
	// directMax is what QUIC is given on one stream without waiting until it was
	// sent: a response of this size costs no goroutine.
	directMax = 16 << 10
	// pieceMax is what a writing goroutine is given, and writeStep what it writes
	// within StallTimeout.
	pieceMax  = 64 << 10
	writeStep = 8 << 10
)

func (o *output) reset() { *o = output{} }

func (o *output) drop(at *local) {
	o.queue.Drop(at.Local)
	o.raw = nil
}

// idle tells whether what is sent now may go at once.
func (o *output) idle() bool { return !o.writing && len(o.raw) == 0 && o.queue.Len() == 0 }

// sendRaw sends a frame in front of all content.
func (st *serverStream) sendRaw(b []byte) {
	o := &st.out
	if o.idle() && o.direct+len(b) <= directMax && st.str.TryWriteAll(b) == nil {
		o.direct += len(b)
		return
	}
	o.raw = append(o.raw, b...)
	st.pump()
}

// sendNow sends content if there is room for all of it.
func (st *serverStream) sendNow(p []byte) bool {
	o, at := &st.out, st.session.at
	if len(p) == 0 || !o.idle() || o.direct+len(p) > directMax {
		return false
	}
	at.scratch = appendFrameHeader(at.scratch[:0], frameData, len(p))
	at.scratch = append(at.scratch, p...)
	if st.str.TryWriteAll(at.scratch) != nil {
		return false
	}
	o.direct += len(at.scratch)
	return true
}

// pump gives the next piece to a writing goroutine, and ends the stream behind the
// last.
func (st *serverStream) pump() {
	o := &st.out
	if st.closed || st.sent || o.writing {
		return
	}
	b := st.piece()
	last := o.queue.Ended() && o.queue.Len() == 0
	switch {
	case len(b) > 0:
		o.writing = true
		go st.write(b)
	case last:
		st.allSent()
	default:
		o.queue.Load(st.session.at.Local, st.loaded)
	}
	if o.queue.Len() < asteri.LowWater {
		st.Drained()
	}
}

// piece takes the next bytes off the queue, in frames, and the trailer section if
// nothing else is left.
func (st *serverStream) piece() []byte {
	o, at := &st.out, st.session.at
	b := o.raw
	o.raw = nil
	for len(b) < pieceMax {
		p := o.queue.Peek(pieceMax - len(b))
		if len(p) == 0 {
			break
		}
		b = appendFrameHeader(b, frameData, len(p))
		b = append(b, p...)
		o.queue.Advance(at.Local, len(p))
	}
	if t := o.queue.Trailer(); t != nil && o.queue.Len() == 0 {
		b = append(b, at.headers(t.Fields())...)
		o.queue.End(nil)
	}
	return b
}

// loaded is called when the next piece of a file is there.
func (st *serverStream) loaded(err error) {
	if err != nil {
		st.session.server.settings.Logger.Error("cannot read a file that is being sent", "error", err)
		st.Abort(err)
		st.Reset(err)
		return
	}
	st.pump()
}

// write writes a piece, on a goroutine of its own. A client has to take some of it
// within StallTimeout.
func (st *serverStream) write(b []byte) {
	stall := st.session.server.cfg.StallTimeout
	var err error
	for len(b) > 0 && err == nil {
		if stall > 0 {
			_ = st.str.SetWriteDeadline(now().Add(stall))
		}
		n := min(len(b), writeStep)
		_, err = st.str.Write(b[:n])
		b = b[n:]
	}
	_ = st.str.SetWriteDeadline(time.Time{})
	st.post(func() { st.wrote(err) })
}

// wrote goes on behind a piece.
func (st *serverStream) wrote(err error) {
	o := &st.out
	o.writing, o.direct = false, 0
	if err != nil {
		st.lose(goneCause(err))
		return
	}
	st.pump()
}

// allSent is called when QUIC has the last byte of the response.
func (st *serverStream) allSent() {
	st.sent = true
	st.stopWatching()
	_ = st.str.Close()
	st.settle()
}
