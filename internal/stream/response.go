package stream

import (
	"errors"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
)

// Inform sends an interim response.
func (x *Exchange) Inform(status int, h *asteri.Header) error {
	guard.Owned(x.at.Home)
	switch {
	case x.over:
		return asteri.ErrClosed
	case x.started:
		return httpfield.Misuse("interim response after the final one")
	case status < 100 || status > 199 || status == 101:
		return httpfield.Misuse("status " + strconv.Itoa(status) + " is not an interim one")
	}
	var facts httpfield.ResponseFacts
	x.at.begin(status)
	err := x.at.addFields(h, &facts)
	switch {
	case err != nil:
		return err
	case facts.Length != httpfield.LengthUnknown || facts.Close || facts.Upgrade:
		return httpfield.Misuse("field that may not stand in an interim response")
	}
	if status == 100 {
		x.expects = false
	}
	x.headBytes += int64(x.wire.SendHead(x.at.fields, false))
	return nil
}

func (x *Exchange) mayStart() error {
	switch {
	case x.over:
		x.letGo = true
		return asteri.ErrClosed
	case x.started:
		return httpfield.Misuse("response has begun already")
	}
	return nil
}

// makeHead puts the head of a final response together and decides about its
// content. It changes the exchange only if there is no error. length is that of
// the content if it is known, else LengthUnknown: then a Content-Length of h counts.
func (x *Exchange) makeHead(status int, h *asteri.Header, length int64) error {
	if status < 200 || status > 599 {
		return httpfield.Misuse("status " + strconv.Itoa(status) + " is not from 200 to 599")
	}
	if status/100 == 2 && x.req.Protocol != "" {
		x.Abort(errNoTunnel)
		return errNoTunnel
	}
	at := x.at
	final := length != httpfield.LengthUnknown
	var facts httpfield.ResponseFacts
	at.begin(status)
	err := at.addFields(h, &facts)
	switch {
	case err != nil:
		return err
	case facts.Upgrade && status != 426:
		return httpfield.ErrConnectionField([]byte("Upgrade"))
	case !final:
		length = facts.Length
	case facts.Length != httpfield.LengthUnknown:
		return httpfield.MisuseOf("second Content-Length", nameLength)
	}
	if facts.Upgrade {
		at.dropUpgrade()
	}
	x.status = status
	x.started = true
	x.chooseContent(status, length, final)
	x.addOwn(&facts)
	x.addID(h)
	return nil
}

// errNoTunnel answers an extended CONNECT for a handler that has taken it for another
// request: a response of success, but for Upgrade's, would open the tunnel (RFC 9110
// section 9.3.6).
var errNoTunnel = &asteri.StatusError{Code: 501, Reason: "the resource does not speak the protocol that CONNECT asks for"}

// dropUpgrade takes out the fields in which HTTP/1.1 names protocols: here there
// are none to upgrade to (RFC 9113 section 8.6).
func (at *Local) dropUpgrade() {
	kept := at.fields[:0]
	for _, f := range at.fields {
		if string(f.Name) != "upgrade" {
			kept = append(kept, f)
		}
	}
	at.fields = kept
}

// chooseContent decides whether content is sent, and adds its length. A response
// to HEAD, or 304, keeps the length that its content would have (RFC 9110 section
// 8.6), if the handler gave it; 204 must not have one.
func (x *Exchange) chooseContent(status int, length int64, final bool) {
	x.hasBody = httpfield.HasContent(status) && x.req.Method != "HEAD"
	x.fixed = x.hasBody && length != httpfield.LengthUnknown
	x.left = 0
	if x.fixed {
		x.left = length
	}
	switch {
	case status == 205:
		x.at.addLength(0)
	case length == httpfield.LengthUnknown, status == 204, status == 304 && final:
	default:
		x.at.addLength(length)
	}
}

// addOwn adds what a server says about itself.
func (x *Exchange) addOwn(facts *httpfield.ResponseFacts) {
	at := x.at
	if !facts.Server && len(at.server) > 0 {
		at.add(nameServer, at.server)
	}
	if !facts.Date {
		at.add(nameDate, at.date.At(at.Home.Now()))
	}
	if len(at.altSvc) > 0 && !facts.AltSvc && x.req.Proto == asteri.HTTP2 && x.req.Peer.TLS != nil {
		at.add(nameAltSvc, at.altSvc)
	}
}

// addID tells the client the request's id, unless the application has.
func (x *Exchange) addID(h *asteri.Header) {
	at := x.at
	if x.req.Handling.ID == "" || len(at.idName) == 0 || h.Has(at.Settings.RequestIDField) {
		return
	}
	at.id = append(at.id[:0], x.req.Handling.ID...)
	if httpfield.IsValue(at.id) {
		at.add(at.idName, at.id)
	}
}

// Start begins the final response.
func (x *Exchange) Start(status int, h *asteri.Header) error {
	guard.Owned(x.at.Home)
	if err := x.mayStart(); err != nil {
		return x.mistake(err)
	}
	if err := x.makeHead(status, h, httpfield.LengthUnknown); err != nil {
		return x.mistake(err)
	}
	x.begun = x.at.Home.Now()
	if x.at.Settings.Observer != nil {
		x.header.CopyFrom(h)
	}
	x.headBytes += int64(x.wire.SendHead(x.at.fields, false))
	return nil
}

// Respond answers with a body that is known as a whole.
func (x *Exchange) Respond(status int, h *asteri.Header, body []byte) error {
	guard.Owned(x.at.Home)
	if err := x.mayStart(); err != nil {
		return x.mistake(err)
	}
	if err := x.makeHead(status, h, int64(len(body))); err != nil {
		return x.mistake(err)
	}
	x.sendWhole(body)
	x.end(h, nil)
	return nil
}

// sendWhole sends the head that was made and all the content.
func (x *Exchange) sendWhole(body []byte) {
	x.content = int64(len(body))
	x.left = 0
	bare := !x.hasBody || len(body) == 0
	x.headBytes += int64(x.wire.SendHead(x.at.fields, bare))
	if !bare {
		x.wire.Send(body, true)
	}
	x.stopReading()
}

// stopReading lets the client off sending what nobody will read.
func (x *Exchange) stopReading() {
	if !x.in.ended {
		x.wire.StopReading()
	}
}

// Write queues content.
func (x *Exchange) Write(p []byte) (queued int, err error) {
	guard.Owned(x.at.Home)
	if err := x.account(int64(len(p))); err != nil {
		return 0, err
	}
	if len(p) == 0 || !x.hasBody {
		return x.wire.Queued(), nil
	}
	if x.queueFull() {
		return 0, x.mistake(httpfield.ErrQueueFull)
	}
	return x.queued(x.wire.Send(p, false)), nil
}

// queueFull tells whether as much is queued in memory as may be.
func (x *Exchange) queueFull() bool { return x.high && x.wire.Kept() >= x.at.maxQueued }

// account counts n bytes of content, and ends the exchange if they are more than
// the response announced.
func (x *Exchange) account(n int64) error {
	switch {
	case x.over:
		return asteri.ErrClosed
	case !x.started:
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
	guard.Owned(x.at.Home)
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
	guard.Owned(x.at.Home)
	switch {
	case x.over:
		x.letGo = true
		return asteri.ErrClosed
	case !x.started:
		return x.mistake(httpfield.Misuse("handler finished without a response"))
	case x.fixed && x.left > 0:
		return x.mistake(httpfield.Misuse("less content than the Content-Length"))
	}
	if trailer.Len() == 0 || !x.hasBody {
		x.wire.Send(nil, true)
	} else {
		t, err := x.makeTrailer(trailer)
		if err != nil {
			return x.mistake(err)
		}
		x.wire.SendTrailer(t)
	}
	x.stopReading()
	x.end(&x.header, nil)
	return nil
}

// makeTrailer returns a trailer section as it is sent. Fields that would frame or
// route a message may not stand there (RFC 9110 section 6.5.1).
func (x *Exchange) makeTrailer(trailer *asteri.Header) (*asteri.Header, error) {
	var facts httpfield.ResponseFacts
	x.at.begin(200)
	err := x.at.addFields(trailer, &facts)
	switch {
	case err != nil:
		return nil, err
	case facts.Length != httpfield.LengthUnknown, facts.Close, facts.Upgrade, trailer.Has("Host"), trailer.Has("Trailer"):
		return nil, httpfield.Misuse("field that may not stand in a trailer")
	}
	t := new(asteri.Header)
	for _, f := range x.at.fields[1:] { // without the status
		t.Add(string(f.Name), string(f.Value))
	}
	return t, nil
}
