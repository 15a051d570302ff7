package python

import (
	"bytes"
	"encoding/binary"
	"fmt"
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
		l.worker.logRecords(payload, l.requestOf)
		return nil
	case frameRetire:
		l.worker.retire("it was told to stop")
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
		return l.onFailure(c, h.kind, payload)
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
	l.walker.Reset(payload, len(payload)+1)
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.List {
		return violation("ANSWERS is not a list")
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
	c.begun = true
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
	status, err := l.nextInt()
	if err != nil {
		return err
	}
	a.status = int(status)
	if err := l.readHeader(&a.head); err != nil {
		return err
	}
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.Bytes {
		return violation("body of an answer is not bytes")
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

// tuple begins the one tuple of n values that a payload is.
func (l *link) tuple(payload []byte, n int64) error {
	l.walker.Reset(payload, len(payload)+1)
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
	if err := l.tuple(payload, 2); err != nil {
		return nil, err
	}
	h := &head{header: new(asteri.Header)}
	status, err := l.nextInt()
	if err != nil {
		return nil, err
	}
	h.status = int(status)
	return h, l.readHeader(h)
}

func (l *link) onStart(c *call, payload []byte) error {
	h, err := l.head(payload)
	if err != nil {
		return err
	}
	if c.begun {
		return violation("a second START")
	}
	c.begun = true
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
	c.informs++
	*h = h.clone()
	c.toHome(l.loop, func() { c.inform(h) })
	return nil
}

func (l *link) onTrailers(c *call, payload []byte) error {
	l.walker.Reset(payload, len(payload)+1)
	h := &head{header: new(asteri.Header)}
	if err := l.readHeader(h); err != nil {
		return err
	}
	if !c.begun {
		return violation("TRAILERS before START")
	}
	c.complete = true
	*h = h.clone()
	c.toHome(l.loop, func() { c.endResponse(h.header) })
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
	if err := l.tuple(payload, 3); err != nil {
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

func (l *link) onWindow(c *call, payload []byte) error {
	if len(payload) != 4 {
		return violation("WINDOW is not 4 bytes")
	}
	n := int(binary.LittleEndian.Uint32(payload))
	if n > bodyWindow {
		return violation("WINDOW larger than the window")
	}
	c.toHome(l.loop, func() { c.consumed(n) })
	return nil
}

// onFailure handles ABORT and ERROR.
func (l *link) onFailure(c *call, kind frameType, payload []byte) error {
	n := int64(1)
	if kind == frameError {
		n = 2
	}
	if err := l.tuple(payload, n); err != nil {
		return err
	}
	var text [2]string
	for i := range n {
		var v marshal.Value
		if err := l.walker.Next(&v); err != nil {
			return err
		}
		if v.Kind != marshal.Str {
			return violation("message is not a str")
		}
		text[i] = string(bytes.ToValidUTF8(v.Data, []byte("\uFFFD")))
	}
	c.begun, c.complete = true, true // there is nothing to be tried again
	pid := l.worker.proc.pid
	c.toHome(l.loop, func() { c.failed(text[0], text[1], pid) })
	return nil
}

// onDone frees the call's room.
func (l *link) onDone(c *call) {
	unanswered := !c.begun
	l.worker.control.drop(c.id)
	l.remove(c)
	took := l.loop.Now().Sub(c.started)
	l.release(1, took)
	pid := l.worker.proc.pid
	c.toHome(l.loop, func() { c.returned(unanswered, pid) })
}

// requestOf returns the request that a stream is about, or nil if that has ended.
func (l *link) requestOf(stream uint32) *asteri.Request {
	if c := l.calls.get(stream); c != nil {
		return c.req
	}
	return nil
}
