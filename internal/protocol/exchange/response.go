package exchange

import (
	"errors"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// Inform sends an interim response.
func (x *Exchange) Inform(status int, h *asteri.Header) error {
	x.at.owned()
	switch {
	case x.Over():
		return asteri.ErrClosed
	case x.state == begun:
		return httpfield.Misuse("interim response after the final one")
	case status < 100 || status > 199 || status == 101:
		return httpfield.Misuse("status " + strconv.Itoa(status) + " is not an interim one")
	case x.old:
		return nil
	}
	head, err := x.section(status, h)
	switch facts := &head.Facts; {
	case err != nil:
		return err
	case facts.Length != httpfield.LengthUnknown || facts.Close || facts.Upgrade:
		return httpfield.Misuse("field that may not stand in an interim response")
	}
	if status == 100 {
		x.continues = false
	}
	x.wire.Commit(head, nil, false)
	return nil
}

// section has a header section put together; see Wire.Compose.
func (x *Exchange) section(status int, h *asteri.Header) (*Head, error) {
	head := &x.at.head
	head.begin(status)
	return head, x.wire.Compose(head, h)
}

func (head *Head) begin(status int) {
	*head = Head{Status: status, Length: httpfield.LengthUnknown}
	head.Facts.Length = httpfield.LengthUnknown
}

func (x *Exchange) mayStart() error {
	switch {
	case x.Over():
		x.letGo = true
		return asteri.ErrClosed
	case x.state == begun:
		return httpfield.Misuse("response has begun already")
	}
	return nil
}

// compose puts the head of a final response together and decides about its
// content. It changes the exchange only if there is no error. length is that of
// the content if it is known, else LengthUnknown: then a Content-Length of h counts.
func (x *Exchange) compose(status int, h *asteri.Header, length int64) error {
	if status < 200 || status > 599 {
		return httpfield.Misuse("status " + strconv.Itoa(status) + " is not from 200 to 599")
	}
	if status/100 == 2 && x.req.Protocol != "" {
		return errNoTunnel
	}
	head := &x.at.head
	head.begin(status)
	if err := x.wire.Compose(head, h); err != nil {
		return err
	}
	facts := &head.Facts
	head.Whole = length != httpfield.LengthUnknown
	switch {
	case facts.Upgrade && status != 426:
		return httpfield.ErrConnectionField([]byte("Upgrade"))
	case !head.Whole:
		length = facts.Length
	case facts.Length != httpfield.LengthUnknown:
		return httpfield.MisuseOf("second Content-Length", nameLength)
	}
	x.status = status
	x.chooseContent(head, length)
	head.ID = x.req.Handling.ID != "" && x.tellsID(h)
	return nil
}

// errNoTunnel answers an extended CONNECT for a handler that has taken it for another
// request: a response of success, but for Upgrade's, would open the tunnel (RFC 9110
// section 9.3.6).
var errNoTunnel = &asteri.StatusError{Code: 501, Reason: "the resource does not speak the protocol that CONNECT asks for"}

// chooseContent decides whether content is sent, and whether its length is told. A
// response to HEAD, or 304, keeps the length that its content would have (RFC 9110
// section 8.6), if the handler gave it; 204 must not have one.
func (x *Exchange) chooseContent(head *Head, length int64) {
	status := head.Status
	x.hasBody = httpfield.HasContent(status) && x.req.Method != "HEAD"
	x.fixed = x.hasBody && length != httpfield.LengthUnknown
	x.left = 0
	if x.fixed {
		x.left = length
	}
	head.Content, head.Fixed = x.hasBody, x.fixed
	switch {
	case status == 205:
		head.Length = 0
	case status == 204, status == 304 && head.Whole:
	default:
		head.Length = length
	}
}

// tellsID tells whether the client is told the request's id, if there is one: unless the
// application has done so.
func (x *Exchange) tellsID(h *asteri.Header) bool {
	name := x.at.Settings.RequestIDField
	return name != "" && !h.Has(name)
}

// Start begins the final response.
func (x *Exchange) Start(status int, h *asteri.Header) error {
	x.at.owned()
	if err := x.mayStart(); err != nil {
		return x.mistake(err)
	}
	if err := x.compose(status, h, httpfield.LengthUnknown); err != nil {
		return x.mistake(err)
	}
	x.state = begun
	x.begun = x.at.Home.Now()
	if x.at.Settings.Observer != nil {
		x.header.CopyFrom(h)
	}
	x.wire.Commit(&x.at.head, nil, false)
	return nil
}

// Respond answers with a body that is known as a whole.
func (x *Exchange) Respond(status int, h *asteri.Header, body []byte) error {
	x.at.owned()
	if err := x.mayStart(); err != nil {
		return x.mistake(err)
	}
	if err := x.compose(status, h, int64(len(body))); err != nil {
		return x.mistake(err)
	}
	x.commitWhole(body)
	x.end(finished, h, nil)
	return nil
}

// commitWhole sends the head that was put together, and all the content.
func (x *Exchange) commitWhole(body []byte) {
	x.content = int64(len(body))
	x.left = 0
	if !x.hasBody {
		body = nil
	}
	x.wire.Commit(&x.at.head, body, true)
}

// Write queues content.
func (x *Exchange) Write(p []byte) (queued int, err error) {
	x.at.owned()
	if err := x.account(int64(len(p))); err != nil {
		return 0, err
	}
	if len(p) == 0 || !x.hasBody {
		return x.wire.Queued(), nil
	}
	if x.high && x.wire.Full() {
		return 0, x.mistake(httpfield.ErrQueueFull)
	}
	return x.queued(x.wire.Send(p)), nil
}

// account counts n bytes of content, and ends the exchange if they are more than
// the response announced.
func (x *Exchange) account(n int64) error {
	switch {
	case x.Over():
		return asteri.ErrClosed
	case x.state == asked:
		return httpfield.Misuse("content before the response has begun")
	case x.fixed && n > x.left:
		return x.mistake(httpfield.Misuse("more content than the Content-Length"))
	}
	x.content += n
	if x.fixed {
		x.left -= n
	}
	return nil
}

// SendFile queues a part of a file as content.
func (x *Exchange) SendFile(f asteri.File, off, n int64) error {
	x.at.owned()
	if f == nil {
		return httpfield.ErrNoFile
	}
	err := httpfield.CheckRange(off, n)
	if err == nil {
		err = x.account(n)
	}
	if err != nil || n == 0 || !x.hasBody {
		return errors.Join(err, f.Close())
	}
	x.queued(x.wire.SendFile(f, off, n))
	return nil
}

// Finish ends the response.
func (x *Exchange) Finish(trailer *asteri.Header) error {
	x.at.owned()
	switch {
	case x.Over():
		x.letGo = true
		return asteri.ErrClosed
	case x.state == asked:
		return x.mistake(httpfield.Misuse("handler finished without a response"))
	case x.fixed && x.left > 0:
		return x.mistake(httpfield.Misuse("less content than the Content-Length"))
	}
	trails := x.hasBody && trailer.Len() > 0
	if trails {
		if err := x.composeTrailer(trailer); err != nil {
			return x.mistake(err)
		}
	}
	x.wire.End(trails)
	x.end(finished, &x.header, nil)
	return nil
}

// composeTrailer puts a trailer section together. Fields that would frame or route a
// message may not stand there (RFC 9110 section 6.5.1).
func (x *Exchange) composeTrailer(trailer *asteri.Header) error {
	head, err := x.section(0, trailer)
	facts := &head.Facts
	switch {
	case err != nil:
		return err
	case facts.Length != httpfield.LengthUnknown, facts.Close, facts.Upgrade, trailer.Has("Host"), trailer.Has("Trailer"):
		return httpfield.Misuse("field that may not stand in a trailer")
	}
	return nil
}
