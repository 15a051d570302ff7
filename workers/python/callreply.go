package python

import (
	"os"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// reply is a response that comes in parts. The worker is granted more as the
// exchange has room. For an asynchronous worker that is when the client has taken
// some; what a blocking one makes goes to a temporary file (spool.Exchange), so
// that a slow client does not hold a worker.
//
// All of it belongs to the call's home.
type reply struct {
	call  *call
	link  *link
	ended bool // the application's part is complete

	ungranted int  // bytes received for which no grant was sent
	full      bool // OnDrain was asked for
}

// start begins a response that comes in parts.
func (c *call) start(from *link, h *wire.Head) {
	if c.atHome.over || c.spoken() {
		if c.atHome.raw != nil {
			from.cancel(c, true, c.home) // it is not to wait for its window
		}
		return
	}
	err := h.Invalid
	switch {
	case c.unaskedConnect(h.Status):
		err = errUnaskedConnect
	case err == nil:
		err = c.x.Start(h.Status, h.WithLength())
	}
	if err != nil {
		c.giveUp(err)
		return
	}
	c.dropRaw()
	if from.worker.info.wholeBody {
		c.x = c.pool.spools.Exchange(c.x, c.pool.config().ResponseSpoolMax, c.pool.log)
	}
	c.atHome.reply = &reply{call: c, link: from}
}

// inform sends an interim response.
func (c *call) inform(h *wire.Head) {
	if c.atHome.over || c.atHome.reply != nil {
		return
	}
	err := h.Invalid
	if err == nil {
		err = c.x.Inform(h.Status, h.Header)
	}
	if err != nil {
		c.giveUp(err)
	}
}

// data takes response bytes, which are valid until it returns.
func (c *call) data(p []byte, end bool) {
	if c.atHome.over || c.atHome.reply == nil {
		return
	}
	if len(p) > 0 {
		c.atHome.reply.write(p)
	}
	if end {
		c.endResponse(nil)
	}
}

func (r *reply) write(p []byte) {
	r.ungranted += len(p)
	queued, err := r.call.x.Write(p)
	switch {
	case err != nil:
		r.call.giveUp(err)
	case queued < asteri.HighWater:
		r.grant()
	case !r.full:
		r.full = true
		r.call.x.OnDrain(r.onDrain)
	}
}

// grant lets the worker send on, in steps of a reasonable size.
func (r *reply) grant() {
	if r.ungranted >= grantStep {
		r.link.grant(r.call, r.ungranted, r.call.home)
		r.ungranted = 0
	}
}

// onDrain is called when there is room in the exchange again.
func (r *reply) onDrain() {
	r.full = false
	if !r.call.atHome.over {
		r.grant()
	}
}

// file takes response bytes from a file: n from off on, or all that follow off if
// n is -1. It takes over f.
func (c *call) file(f *os.File, off, n int64, end bool) {
	if c.atHome.over || c.atHome.reply == nil {
		f.Close()
		return
	}
	c.sendFile(f, off, n)
	if end {
		c.endResponse(nil)
	}
}

func (c *call) sendFile(f *os.File, off, n int64) {
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
	counted, err := descriptors.TakeFile(f)
	if err == nil {
		err = c.x.SendFile(counted, off, n)
	}
	if err != nil {
		c.giveUp(err)
	}
}

// trailers ends a response with trailer fields.
func (c *call) trailers(h *wire.Head) {
	if h.Invalid != nil {
		c.giveUp(h.Invalid)
		return
	}
	c.endResponse(h.Header)
}

// endResponse ends a response that came in parts.
func (c *call) endResponse(trailer *asteri.Header) {
	if c.atHome.over || c.atHome.reply == nil {
		return
	}
	c.atHome.reply.ended = true
	c.account()
	c.finish(trailer)
}
