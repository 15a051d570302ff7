package python

import (
	"io"
	"net/http"

	"github.com/asteri/asteri-loop"
)

// collect reads the whole body before a worker sees the request, so that a slow
// client never holds one.
func (c *call) collect() {
	c.bodyKind = bodyCollecting
	s := &collector{call: c}
	c.body = c.pool.spools.New(c.home, inlineBody, c.req.ContentLength, s.wrote)
	c.x.ReadBody(s)
}

// collector is the sink of a body that is collected. The window is given back as
// bytes are stored, so that a slow disk slows the client.
type collector struct {
	call  *call
	ended bool
}

func (s *collector) OnBody(p []byte) {
	if !s.call.over && s.call.body.Append(p) {
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
		c.refuse(&asteri.StatusError{Code: http.StatusInternalServerError, Reason: "cannot store the request body"})
		return
	}
	c.x.Consumed(n)
	s.submitIfStored()
}

func (s *collector) submitIfStored() {
	c := s.call
	if s.ended && !c.over && c.bodyKind == bodyCollecting && c.body.Settled() {
		c.bodyKind = bodyCollected
		c.submit()
	}
}

// content says how the body travels. It is read by the link, while the home does
// not touch a body that has been collected.
func (c *call) content() content {
	switch c.bodyKind {
	case bodyCollected:
		if c.body.Spilled() {
			return content{file: true, length: c.body.Size()}
		}
		return content{inline: c.body.Bytes(), length: c.body.Size()}
	case bodyStreamed:
		return content{stream: true, length: c.req.ContentLength}
	}
	return content{}
}

// passBody sends the descriptor of a body in a file, from its start also if
// another worker has read it.
func (c *call) passBody(to *control) error {
	f, _ := c.body.File()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return to.pass(c.id, f)
}

// streamBody begins to pass the body on as it comes.
func (c *call) streamBody(to *link) {
	if c.over || c.bodyLink != nil {
		return
	}
	c.bodyLink = to
	c.x.ReadBody((*bodyStream)(c))
}

// bodyStream is the sink of a body that is streamed. The windows of the exchange
// and of the worker are the same, so nothing is kept here.
type bodyStream call

func (s *bodyStream) OnBody(p []byte) {
	s.unread += len(p)
	s.bodyLink.body((*call)(s), 0, p, s.home)
}

func (s *bodyStream) OnEnd(*asteri.Header) {
	s.bodyLink.body((*call)(s), flagEnd, nil, s.home)
}

func (s *bodyStream) OnError(error) {
	s.bodyLink.body((*call)(s), flagError, nil, s.home)
}

// consumed is called when the application has read n bytes of a streamed body.
func (c *call) consumed(n int) {
	n = min(n, c.unread)
	c.unread -= n
	if n > 0 {
		c.x.Consumed(n)
	}
}
