package python

import (
	"net/http"
	"os"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/spool"
)

// reply is a response that comes in parts. What the client does not take yet
// waits in the exchange's queue; beyond its high-water mark
//
//   - an asynchronous worker is granted no more until the client has taken some,
//   - a blocking one goes on, and what it makes is kept in a temporary file, so
//     that a slow client does not hold a worker.
//
// All of it belongs to the call's home.
type reply struct {
	call     *call
	link     *link
	blocking bool
	ended    bool // the application's part is complete

	ungranted int  // bytes received for which no grant was sent
	full      bool // OnDrain was asked for

	stored   *spool.Buffer // what came since the queue was full; nil when it is not
	sent     int64         // bytes of stored given to the exchange
	drained  bool          // the exchange has room for what stored has
	flushing bool          // stored goes to the exchange as soon as it is on disk
	later    []func()      // what follows it then; each looks whether the call is over
}

// start begins a response that comes in parts.
func (c *call) start(from *link, h *head) {
	if c.over {
		return
	}
	err := errNotLatin1
	if !h.invalid {
		err = c.x.Start(h.status, h.withLength())
	}
	if err != nil {
		c.giveUp(err)
		return
	}
	c.reply = &reply{call: c, link: from, blocking: from.worker.info.wholeBody}
}

// inform sends an interim response.
func (c *call) inform(h *head) {
	if c.over || c.reply != nil {
		return
	}
	err := errNotLatin1
	if !h.invalid {
		err = c.x.Inform(h.status, h.header)
	}
	if err != nil {
		c.giveUp(err)
	}
}

// data takes response bytes, which are valid until it returns.
func (c *call) data(p []byte, end bool) {
	if c.over || c.reply == nil {
		return
	}
	r := c.reply
	if len(p) > 0 {
		r.write(p)
	}
	if end {
		c.endResponse(nil)
	}
}

func (r *reply) write(p []byte) {
	if r.flushing {
		p = append([]byte(nil), p...)
		r.later = append(r.later, func() { r.write(p) })
		return
	}
	if r.call.over {
		return
	}
	r.ungranted += len(p)
	if r.stored != nil {
		r.stored.Append(p)
		return
	}
	queued, err := r.call.x.Write(p)
	switch {
	case err != nil:
		r.call.giveUp(err)
	case queued < asteri.HighWater:
		r.grant()
	default:
		r.waitForClient()
		if r.blocking {
			r.stored, r.sent = r.call.pool.spools.New(r.call.home, 0, 0, r.wrote), 0
			r.grant()
		}
	}
}

// grant lets the worker send on, in steps of a reasonable size.
func (r *reply) grant() {
	if r.ungranted >= grantStep {
		r.link.grant(r.call, r.ungranted, r.call.home)
		r.ungranted = 0
	}
}

func (r *reply) waitForClient() {
	r.drained = false
	if !r.full {
		r.full = true
		r.call.x.OnDrain(r.onDrain)
	}
}

// onDrain is called when the client has taken what was queued.
func (r *reply) onDrain() {
	if r.call.over {
		return
	}
	r.full = false
	r.drained = true
	if r.stored != nil {
		r.pump()
	} else {
		r.grant()
	}
}

// wrote is called as stored bytes arrive in the file. The worker is granted more
// only now: a slow disk slows it, too, and so does a file that is full.
func (r *reply) wrote(_ int, err error) {
	if err != nil {
		r.call.pool.log.Error("cannot store a response", "error", err)
		r.call.giveUp(&asteri.StatusError{Code: http.StatusInternalServerError, Reason: "cannot store the response"})
		return
	}
	if r.stored.Size() < r.call.pool.config().ResponseSpoolMax {
		r.grant()
	}
	r.pump()
}

// pump gives the exchange what is in the file, if there is room or nothing else
// is to come. When that was all, the file has done its work.
func (r *reply) pump() {
	if !r.drained && !r.flushing {
		return
	}
	if file, written := r.stored.File(); written > r.sent {
		if err := r.sendPart(file, r.sent, written-r.sent); err != nil {
			r.call.giveUp(err)
			return
		}
		r.sent = written
		r.waitForClient()
	}
	if !r.stored.Settled() {
		return
	}
	r.stored.Close()
	r.stored = nil
	r.flushing = false
	r.grant()
	r.goOn()
}

// goOn does what had to wait for the file.
func (r *reply) goOn() {
	for len(r.later) > 0 && !r.flushing {
		op := r.later[0]
		r.later = r.later[1:]
		op()
	}
}

func (r *reply) sendPart(file *os.File, off, n int64) error {
	part, err := dup(file)
	if err != nil {
		return err
	}
	return r.call.x.SendFile(part, off, n)
}

// after runs op once all that came before is with the exchange.
func (r *reply) after(op func()) {
	switch {
	case r.flushing:
		r.later = append(r.later, op)
	case r.stored != nil:
		r.later = append(r.later, op)
		r.flushing = true
		r.pump()
	default:
		op()
	}
}

// file takes response bytes from a file: n from off on, or all that follow off if
// n is -1. It takes over f.
func (c *call) file(f *os.File, off, n int64, end bool) {
	if c.over || c.reply == nil {
		f.Close()
		return
	}
	c.reply.after(func() { c.sendFile(f, off, n) })
	if end {
		c.endResponse(nil)
	}
}

func (c *call) sendFile(f *os.File, off, n int64) {
	if c.over {
		f.Close()
		return
	}
	info, err := f.Stat()
	switch {
	case err == nil && !info.Mode().IsRegular():
		err = &asteri.ResponseError{Reason: "only a regular file can be sent as one"}
	case err == nil && n < 0:
		n = max(0, info.Size()-off)
	}
	if err != nil {
		f.Close()
		c.giveUp(err)
		return
	}
	if err := c.x.SendFile(f, off, n); err != nil {
		c.giveUp(err)
	}
}

// endResponse ends a response that came in parts.
func (c *call) endResponse(trailer *asteri.Header) {
	if c.over || c.reply == nil {
		return
	}
	c.reply.ended = true
	c.reply.after(func() {
		if c.over {
			return
		}
		if err := c.x.Finish(trailer); err != nil {
			c.giveUp(err)
			return
		}
		c.end()
	})
}

// drop lets go of what is kept. The call is over.
func (r *reply) drop() {
	if r.stored != nil {
		r.stored.Close()
		r.stored = nil
	}
	r.flushing = false
	r.goOn() // closes files
}
