package python

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/workers/python/internal/control"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// collect reads the whole body before a worker sees the request, so that a slow
// client never holds one.
func (c *call) collect() {
	c.atHome.bodyKind, c.body = bodyCollecting, wire.Content{}
	s := &collector{call: c}
	c.atHome.buffer = c.pool.spools.New(c.x, inlineBody, c.req.ContentLength, s.wrote)
	c.x.ReadBody(s)
}

// collector is the sink of a body that is collected. The window is given back as
// bytes are stored, so that a slow disk slows the client.
type collector struct {
	call  *call
	ended bool
}

func (s *collector) OnBody(p []byte) {
	if !s.call.atHome.over && s.call.atHome.buffer.Append(p) {
		s.call.x.Consumed(len(p))
	}
}

func (s *collector) OnEnd(*asteri.Header) {
	s.ended = true
	s.submitIfStored()
}

func (s *collector) OnError(err error) { s.call.abort(err) }

func (s *collector) wrote(n int, err error) {
	c := s.call
	if err != nil {
		c.pool.log.Error("cannot store a request body", "error", err)
		refusal := &asteri.StatusError{Code: http.StatusInternalServerError, Reason: "cannot store the request body"}
		if errors.Is(err, descriptors.ErrExhausted) {
			refusal.Code, refusal.RetryAfter = http.StatusServiceUnavailable, descriptors.RetryAfter
		}
		c.refuse(refusal)
		return
	}
	c.x.Consumed(n)
	s.submitIfStored()
}

func (s *collector) submitIfStored() {
	c := s.call
	if !s.ended || c.atHome.over || c.atHome.bodyKind != bodyCollecting || !c.atHome.buffer.Settled() {
		return
	}
	c.atHome.bodyKind = bodyCollected
	c.history.submitted = time.Since(c.history.received)
	c.body.Length = c.atHome.buffer.Size()
	if c.atHome.buffer.Spilled() {
		c.body.File, _ = c.atHome.buffer.File()
	} else {
		c.body.Inline = c.atHome.buffer.Bytes()
	}
	c.submit()
}

// passBody sends the descriptor of a body in a file, from its start also if
// another worker has read it. id is that of the call at the worker.
func (c *call) passBody(to *control.Socket, id uint32) error {
	if _, err := c.body.File.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return to.Pass(id, c.body.File.File)
}

// adapt makes the body fit for a worker of the other kind. Only a reload that
// changes the model comes upon such a call, or one that came before the first
// worker was ready.
func (c *call) adapt() {
	switch {
	case c.atHome.over:
	case c.body.Stream && c.atHome.bodyLink == nil:
		c.collect()
	default:
		c.refuse(&asteri.StatusError{Code: http.StatusServiceUnavailable, Reason: "the application was reloaded under another model", RetryAfter: retryAfter})
	}
}

// streamBody begins to pass the body on as it comes.
func (c *call) streamBody(to *link) {
	if c.atHome.over || c.atHome.bodyLink != nil {
		return
	}
	c.atHome.bodyLink = to
	c.x.ReadBody((*bodySink)(c))
}

// bodySink is the sink of a body that is streamed. The windows of the exchange
// and of the worker are the same, so nothing is kept here.
type bodySink call

func (s *bodySink) OnBody(p []byte) {
	s.atHome.held += len(p)
	s.atHome.bodyLink.body((*call)(s), 0, p, s.home)
}

func (s *bodySink) OnEnd(*asteri.Header) {
	s.atHome.bodyLink.body((*call)(s), wire.FlagEnd, nil, s.home)
}

func (s *bodySink) OnError(error) {
	s.atHome.bodyLink.body((*call)(s), wire.FlagError, nil, s.home)
}

// consumed is called when the application has read n bytes of a streamed body.
func (c *call) consumed(n int) {
	n = min(n, c.atHome.held)
	c.atHome.held -= n
	if n > 0 {
		c.x.Consumed(n)
	}
}
