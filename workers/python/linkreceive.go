package python

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
	"github.com/asteri/asteri-loop/workers/python/internal/output"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// What a worker sends. Every frame is checked, since its bytes may be anything: a
// violation ends the worker. A stream stays in the table until its call has
// returned, also when nobody waits for its response any more.

// onFrame handles a frame other than DATA. payload is valid until it returns.
func (l *link) onFrame(h wire.FrameHeader, payload []byte) error {
	switch h.Kind {
	case wire.FrameAnswers:
		return l.onAnswers(payload)
	case wire.FrameReceived:
		return l.onMessages(payload)
	case wire.FrameLog:
		return l.in.Records(payload, l.onRecord)
	case wire.FrameProbed:
		return l.onProbed()
	case wire.FrameRetire:
		if !l.relief {
			l.relief = true
			l.worker.retire("it was told to stop")
		}
		return nil
	}
	c := l.calls.get(h.Stream)
	if c == nil {
		if s := l.calls.sockets[h.Stream]; s != nil {
			return l.onSocketFrame(s, h, payload)
		}
		return wire.Violation(fmt.Sprintf("frame of type %d for stream %d, which is not open", h.Kind, h.Stream))
	}
	c.atLink.touched(l.loop.Now())
	if c.atLink.complete && h.Kind != wire.FrameWindow && h.Kind != wire.FrameDone {
		return wire.Violation(fmt.Sprintf("frame of type %d for stream %d, whose response has ended", h.Kind, h.Stream))
	}
	switch h.Kind {
	case wire.FrameStart:
		return l.onStart(c, payload)
	case wire.FrameInform:
		return l.onInform(c, payload)
	case wire.FrameFile:
		return l.onFile(c, payload, h.Flags&wire.FlagEnd != 0)
	case wire.FrameTrailers:
		return l.onTrailers(c, payload)
	case wire.FrameAccept:
		return l.onAccept(c, payload)
	case wire.FrameWindow:
		return l.onWindow(c, payload)
	case wire.FrameAbort, wire.FrameError:
		return l.onFailure(c, h, payload)
	case wire.FrameDone:
		l.onDone(c)
		return nil
	}
	return wire.Violation(fmt.Sprintf("frame of unknown type %d", h.Kind))
}

// answerBatch takes the answers of one frame that belong to other loops: one
// function is posted to each.
type answerBatch struct {
	homes []asteri.Executor
	calls [][]remoteAnswer
}

type remoteAnswer struct {
	call   *call
	answer wire.Answer
}

func (b *answerBatch) add(r remoteAnswer) {
	for i, home := range b.homes {
		if home == r.call.home {
			b.calls[i] = append(b.calls[i], r)
			return
		}
	}
	b.homes = append(b.homes, r.call.home)
	b.calls = append(b.calls, []remoteAnswer{r})
}

func (b *answerBatch) post() {
	for i, home := range b.homes {
		batch := b.calls[i]
		home.Post(func() {
			for i := range batch {
				batch[i].call.answer(&batch[i].answer)
			}
		})
		b.calls[i] = nil
	}
	b.homes, b.calls = b.homes[:0], b.calls[:0]
}

// onAnswers handles whole responses.
func (l *link) onAnswers(payload []byte) error {
	n, err := l.in.Answers(payload)
	if err != nil {
		return err
	}
	now := l.loop.Now()
	took := now.Sub(l.lastAnswers)
	freed := 0
	for ; n > 0 && err == nil; n-- {
		var done bool
		if done, err = l.onAnswer(now, &took); done {
			freed++
		}
	}
	if err == nil {
		err = l.in.End()
	}
	l.lastAnswers = now
	l.answers.post()
	l.release(freed, took)
	return err
}

// onAnswer handles the next answer of the frame. freed says that the call's slot
// is free again. took is made shorter if the call was sent later than the worker's
// last answer came.
func (l *link) onAnswer(now time.Time, took *time.Duration) (freed bool, err error) {
	stream, lingers, err := l.in.NextAnswer()
	if err != nil {
		return false, err
	}
	c := l.calls.get(uint32(stream))
	if c == nil || int64(c.atLink.id) != stream || c.atLink.begun {
		return false, wire.Violation(fmt.Sprintf("answer for stream %d, which is not open", stream))
	}
	var a wire.Answer
	local := c.home == asteri.Executor(l.loop)
	if err := l.in.Answer(&a, lingers); err != nil {
		return false, err
	}
	if !c.atLink.started.IsZero() && c.atLink.started.Before(now) {
		*took = min(*took, now.Sub(c.atLink.started))
	}
	l.begins(c)
	c.atLink.touched(now)
	c.atLink.complete = true
	if !lingers {
		l.remove(c)
	}
	if local {
		c.answer(&a)
	} else {
		l.answers.add(remoteAnswer{c, a.Clone()})
	}
	return !lingers, nil
}

func (l *link) onStart(c *call, payload []byte) error {
	h, err := l.in.Head(payload)
	if err != nil {
		return err
	}
	if c.atLink.begun {
		return wire.Violation("a second START")
	}
	l.begins(c)
	*h = h.Clone()
	c.toHome(l.loop, func() { c.start(l, h) })
	return nil
}

func (l *link) onInform(c *call, payload []byte) error {
	h, err := l.in.Head(payload)
	if err != nil {
		return err
	}
	if c.atLink.begun {
		return wire.Violation("INFORM after START")
	}
	// The first one beyond a bound ends the exchange, and the others are dropped.
	limit := l.worker.cfg.ResponseHead
	if c.atLink.informs > wire.MaxInforms || int(c.atLink.informed) > limit {
		return nil
	}
	c.atLink.informs++
	c.atLink.informed = int32(min(int(c.atLink.informed)+h.Size, math.MaxInt32))
	if c.atLink.informs > wire.MaxInforms || int(c.atLink.informed) > limit {
		h.Invalid = wire.ErrInforms
	}
	*h = h.Clone()
	c.toHome(l.loop, func() { c.inform(h) })
	return nil
}

func (l *link) onTrailers(c *call, payload []byte) error {
	h, err := l.in.Trailers(payload)
	if err != nil {
		return err
	}
	if !c.atLink.begun {
		return wire.Violation("TRAILERS before START")
	}
	c.atLink.complete = true
	*h = h.Clone()
	c.toHome(l.loop, func() { c.trailers(h) })
	return nil
}

// beginData handles the header of a DATA frame, whose bytes are passed on as they
// come.
func (l *link) beginData(h wire.FrameHeader) error {
	c := l.calls.get(h.Stream)
	switch {
	case c == nil:
		return wire.Violation(fmt.Sprintf("DATA for stream %d, which is not open", h.Stream))
	case !c.atLink.begun:
		return wire.Violation("DATA before START")
	case c.atLink.complete:
		return wire.Violation("DATA after the end of a response")
	case h.Size == 0 && h.Flags&wire.FlagEnd == 0:
		return wire.Violation("DATA of nothing")
	}
	c.atLink.complete = h.Flags&wire.FlagEnd != 0
	if c.atLink.window -= h.Size; c.atLink.window < 0 {
		return wire.Violation("more DATA than the window allows")
	}
	c.atLink.touched(l.loop.Now())
	l.data = dataFrame{call: c, left: h.Size, end: h.Flags&wire.FlagEnd != 0}
	if h.Size == 0 {
		l.onDataBytes(nil)
	}
	return nil
}

// onDataBytes passes on the next bytes of a DATA frame.
func (l *link) onDataBytes(p []byte) {
	c := l.data.call
	end := l.data.end && l.data.left == 0
	if c.home == asteri.Executor(l.loop) {
		c.data(p, end)
		return
	}
	p = bytes.Clone(p)
	c.home.Post(func() { c.data(p, end) })
}

func (l *link) onFile(c *call, payload []byte, end bool) error {
	if !c.atLink.begun || c.atLink.filed {
		return wire.Violation("FILE before START, or a second one")
	}
	c.atLink.complete, c.atLink.filed = end, true
	off, n, err := l.in.File(payload)
	if err != nil {
		return err
	}
	f, err := l.worker.control.File(c.atLink.id)
	if err != nil {
		return err
	}
	if !c.toHome(l.loop, func() { c.file(f, off, n, end) }) {
		f.Close()
	}
	return nil
}

// onDescriptor is called when a descriptor has come that no FILE has asked for yet. One for
// a stream that is not open is a breach; it is closed at once.
func (l *link) onDescriptor(stream uint32) {
	if !l.closed && l.calls.get(stream) == nil && l.worker.control.Drop(stream) {
		l.worker.linkEnded(wire.Violation(fmt.Sprintf("descriptor for stream %d, which is not open", stream)))
	}
}

func (l *link) onWindow(c *call, payload []byte) error {
	n, err := wire.Window(payload, int(c.atLink.unread))
	if err != nil {
		return err
	}
	c.atLink.unread -= int32(n)
	c.toHome(l.loop, func() { c.consumed(n) })
	return nil
}

// onDone frees the call's slot.
func (l *link) onDone(c *call) {
	unanswered := !c.atLink.begun
	l.begins(c)
	l.worker.control.Drop(c.atLink.id)
	l.remove(c)
	took := dispatch.UnknownTime // of one that was cancelled before it was started
	if !c.atLink.started.IsZero() {
		took = l.loop.Now().Sub(c.atLink.started)
	}
	l.release(1, took)
	c.toHome(l.loop, func() { c.returned(l.log, unanswered) })
}

// onFailure handles ABORT and ERROR.
func (l *link) onFailure(c *call, h wire.FrameHeader, payload []byte) error {
	what, err := l.in.Failure(payload)
	if err != nil {
		return err
	}
	l.begins(c) // there is nothing to be tried again
	c.atLink.complete = true
	if h.Kind == wire.FrameAbort && h.Flags&wire.FlagLeft != 0 {
		c.toHome(l.loop, c.gaveUp)
		return nil
	}
	c.toHome(l.loop, func() { c.failed(l.log, what) })
	return nil
}

// onRecord logs a record of the application's log.
func (l *link) onRecord(r *wire.Record) { output.LogRecord(l.log, r, l.aboutOf(r.Stream)) }

// aboutOf returns what names the request of a stream in the log; nothing if the stream
// has ended.
func (l *link) aboutOf(stream uint32) slog.Attr {
	if c := l.calls.get(stream); c != nil {
		return c.req.LogAttr()
	}
	if s := l.calls.sockets[stream]; s != nil {
		return s.about
	}
	return slog.Attr{}
}
