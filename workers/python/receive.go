package python

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/marshal"
)

// What a worker sends. Every frame is checked, since its bytes may be anything: a
// violation ends the worker. A stream stays in the table until its call has
// returned, also when nobody waits for its response any more.

// onFrame handles a frame other than DATA. payload is valid until it returns.
func (l *link) onFrame(h header, payload []byte) error {
	switch h.kind {
	case frameAnswers:
		return l.onAnswers(payload)
	case frameReceived:
		return l.onMessages(payload)
	case frameLog:
		return l.worker.logRecords(&l.walker, payload, l.aboutOf)
	case frameProbed:
		return l.onProbed()
	case frameRetire:
		if !l.relief {
			l.relief = true
			l.worker.retire("it was told to stop")
		}
		return nil
	}
	c := l.calls.get(h.stream)
	if c == nil {
		if s := l.calls.sockets[h.stream]; s != nil {
			return l.onSocketFrame(s, h, payload)
		}
		return violation(fmt.Sprintf("frame of type %d for stream %d, which is not open", h.kind, h.stream))
	}
	c.touched(l.loop.Now())
	if c.complete && h.kind != frameWindow && h.kind != frameDone {
		return violation(fmt.Sprintf("frame of type %d for stream %d, whose response has ended", h.kind, h.stream))
	}
	switch h.kind {
	case frameStart:
		return l.onStart(c, payload)
	case frameInform:
		return l.onInform(c, payload)
	case frameFile:
		return l.onFile(c, payload, h.flags&flagEnd != 0)
	case frameTrailers:
		return l.onTrailers(c, payload)
	case frameAccept:
		return l.onAccept(c, payload)
	case frameWindow:
		return l.onWindow(c, payload)
	case frameAbort, frameError:
		return l.onFailure(c, h, payload)
	case frameDone:
		l.onDone(c)
		return nil
	}
	return violation(fmt.Sprintf("frame of unknown type %d", h.kind))
}

// answerBatch takes the answers of one frame that belong to other loops: one
// function is posted to each.
type answerBatch struct {
	homes []asteri.Executor
	calls [][]remoteAnswer
}

type remoteAnswer struct {
	call   *call
	answer answer
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
	l.begin(payload, anyData)
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.List || v.Int > maxAnswers {
		return violation("ANSWERS is not a list, or a long one")
	}
	now := l.loop.Now()
	took := now.Sub(l.lastAnswers)
	freed := 0
	var err error
	for n := v.Int; n > 0 && err == nil; n-- {
		var done bool
		if done, err = l.onAnswer(now, &took); done {
			freed++
		}
	}
	if err == nil {
		err = l.walker.End()
	}
	l.lastAnswers = now
	l.answers.post()
	l.release(freed, took)
	return err
}

// onAnswer handles the next answer of the frame. freed says that the call's room
// is free again. took is made shorter if the call was sent later than the worker's
// last answer came.
func (l *link) onAnswer(now time.Time, took *time.Duration) (freed bool, err error) {
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return false, err
	}
	if v.Kind != marshal.Tuple || v.Int != 4 && v.Int != 5 {
		return false, violation("answer is not a tuple of 4 or 5")
	}
	lingers := v.Int == 5
	stream, err := l.nextInt()
	if err != nil {
		return false, err
	}
	c := l.calls.get(uint32(stream))
	if c == nil || int64(c.id) != stream || c.begun {
		return false, violation(fmt.Sprintf("answer for stream %d, which is not open", stream))
	}
	var a answer
	a.header = &l.header
	local := c.home == asteri.Executor(l.loop)
	if err := l.readAnswer(&a, lingers); err != nil {
		return false, err
	}
	if !c.started.IsZero() && c.started.Before(now) {
		*took = min(*took, now.Sub(c.started))
	}
	l.begins(c)
	c.touched(now)
	c.complete = true
	if !lingers {
		l.remove(c)
	}
	if local {
		c.answer(&a)
	} else {
		l.answers.add(remoteAnswer{c, a.clone()})
	}
	return !lingers, nil
}

func (l *link) readAnswer(a *answer, lingers bool) error {
	if err := l.readStatus(&a.head); err != nil {
		return err
	}
	if err := l.readHeader(&a.head); err != nil {
		return err
	}
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.Bytes || len(v.Data) > maxAnswerBody {
		return violation("body of an answer is not bytes, or too long")
	}
	a.body = v.Data
	if lingers {
		return l.walker.Next(&v)
	}
	return nil
}

func (l *link) nextInt() (int64, error) {
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return 0, err
	}
	if v.Kind != marshal.Int {
		return 0, violation("not an int")
	}
	return v.Int, nil
}

// anyData is for payloads of heads and bodies, which have bounds of their own: references
// may repeat them, as those of honest workers do.
const anyData = math.MaxInt

// begin begins to read a payload of which data bytes at most are text and bytes.
func (l *link) begin(payload []byte, data int) {
	l.walker.Reset(payload, min(len(payload)+1, maxObjects), data)
}

// tuple begins the one tuple of n values that a payload is.
func (l *link) tuple(payload []byte, n int64, data int) error {
	l.begin(payload, data)
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.Tuple || v.Int != n {
		return violation(fmt.Sprintf("not a tuple of %d", n))
	}
	return nil
}

// head reads (status, headers).
func (l *link) head(payload []byte) (*head, error) {
	if err := l.tuple(payload, 2, anyData); err != nil {
		return nil, err
	}
	h := &head{header: new(asteri.Header)}
	if err := l.readStatus(h); err != nil {
		return nil, err
	}
	if err := l.readHeader(h); err != nil {
		return nil, err
	}
	return h, l.walker.End()
}

func (l *link) onStart(c *call, payload []byte) error {
	h, err := l.head(payload)
	if err != nil {
		return err
	}
	if c.begun {
		return violation("a second START")
	}
	l.begins(c)
	*h = h.clone()
	c.toHome(l.loop, func() { c.start(l, h) })
	return nil
}

func (l *link) onInform(c *call, payload []byte) error {
	h, err := l.head(payload)
	if err != nil {
		return err
	}
	if c.begun {
		return violation("INFORM after START")
	}
	// The first one beyond a bound ends the exchange, and the others are dropped.
	limit := l.worker.cfg.ResponseHead
	if c.informs > maxInforms || int(c.informed) > limit {
		return nil
	}
	c.informs++
	c.informed = int32(min(int(c.informed)+h.size, math.MaxInt32))
	if c.informs > maxInforms || int(c.informed) > limit {
		h.invalid = errInforms
	}
	*h = h.clone()
	c.toHome(l.loop, func() { c.inform(h) })
	return nil
}

func (l *link) onTrailers(c *call, payload []byte) error {
	l.begin(payload, anyData)
	h := &head{header: new(asteri.Header)}
	if err := l.readHeader(h); err != nil {
		return err
	}
	if err := l.walker.End(); err != nil {
		return err
	}
	if !c.begun {
		return violation("TRAILERS before START")
	}
	c.complete = true
	*h = h.clone()
	c.toHome(l.loop, func() { c.trailers(h) })
	return nil
}

// beginData handles the header of a DATA frame, whose bytes are passed on as they
// come.
func (l *link) beginData(h header) error {
	c := l.calls.get(h.stream)
	switch {
	case c == nil:
		return violation(fmt.Sprintf("DATA for stream %d, which is not open", h.stream))
	case !c.begun:
		return violation("DATA before START")
	case c.complete:
		return violation("DATA after the end of a response")
	case h.size == 0 && h.flags&flagEnd == 0:
		return violation("DATA of nothing")
	}
	c.complete = h.flags&flagEnd != 0
	if c.window -= h.size; c.window < 0 {
		return violation("more DATA than the window allows")
	}
	c.touched(l.loop.Now())
	l.data = dataFrame{call: c, left: h.size, end: h.flags&flagEnd != 0}
	if h.size == 0 {
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
	if !c.begun || c.filed {
		return violation("FILE before START, or a second one")
	}
	c.complete, c.filed = end, true
	if err := l.tuple(payload, 3, 0); err != nil {
		return err
	}
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	off, err := l.nextInt()
	if err != nil {
		return err
	}
	n, err := l.nextInt()
	if err != nil {
		return err
	}
	if err := l.walker.End(); err != nil {
		return err
	}
	if v.Kind != marshal.None || off < 0 || n < -1 {
		return violation("FILE with a path or a negative number")
	}
	f, err := l.worker.control.file(c.id)
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
	if !l.closed && l.calls.get(stream) == nil && l.worker.control.drop(stream) {
		l.worker.linkEnded(violation(fmt.Sprintf("descriptor for stream %d, which is not open", stream)))
	}
}

func (l *link) onWindow(c *call, payload []byte) error {
	if len(payload) != 4 {
		return violation("WINDOW is not 4 bytes")
	}
	n := int(binary.LittleEndian.Uint32(payload))
	if n == 0 || n > int(c.unread) {
		return violation("WINDOW for what was not sent")
	}
	c.unread -= int32(n)
	c.toHome(l.loop, func() { c.consumed(n) })
	return nil
}

// onDone frees the call's room.
func (l *link) onDone(c *call) {
	unanswered := !c.begun
	l.begins(c)
	l.worker.control.drop(c.id)
	l.remove(c)
	took := unknownTime // of one that was cancelled before it was started
	if !c.started.IsZero() {
		took = l.loop.Now().Sub(c.started)
	}
	l.release(1, took)
	c.toHome(l.loop, func() { c.returned(l.log, unanswered) })
}
