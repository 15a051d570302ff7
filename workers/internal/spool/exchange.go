package spool

import (
	"bytes"
	"log/slog"

	"github.com/asteri/asteri-loop"
)

// Exchange is an exchange that takes its response as fast as that is made, for
// handlers that a slow client must not hold up. What the client does not take
// waits in the queue of the exchange below; beyond the high-water mark the rest
// goes to a temporary file. Only a response that fills the file is held back, and
// one that comes faster than the disk.
//
// Its Write returns how many bytes are not stored yet, so that handlers obey the
// water marks as they do elsewhere. Errors of content that was stored come later:
// they end the exchange, as what the client gets could not be right any more.
type Exchange struct {
	asteri.Exchange
	store *Store
	max   int64
	log   *slog.Logger

	stored *Buffer  // what came since the queue was full; nil when it is not
	moving int      // bytes of stored that its file does not hold yet
	sent   int64    // bytes of stored given to the exchange below
	handed int64    // lengths of files before stored that the client has yet to take
	asked  bool     // the exchange below will tell when it has room
	room   bool     // it has told
	later  []func() // what waits for stored to be with the exchange below
	held   int      // bytes in it

	onDrain func()
}

var _ asteri.Exchange = (*Exchange)(nil)

// Exchange returns x with a file of at most limit bytes behind its queue. The
// file is one of the store's, log takes why it could not be written.
func (s *Store) Exchange(x asteri.Exchange, limit int64, log *slog.Logger) *Exchange {
	return &Exchange{Exchange: x, store: s, max: limit, log: log}
}

// Write takes response content.
func (x *Exchange) Write(p []byte) (queued int, err error) {
	if len(x.later) == 0 {
		return x.write(p)
	}
	p = bytes.Clone(p)
	x.held += len(p)
	x.later = append(x.later, func() {
		x.held -= len(p)
		_, err := x.write(p)
		x.check(err)
	})
	return x.unstored(), nil
}

func (x *Exchange) write(p []byte) (queued int, err error) {
	if x.stored == nil {
		queued, err = x.Exchange.Write(p)
		if err != nil || queued < asteri.HighWater || x.max <= x.handed {
			return queued, err
		}
		x.stored, x.sent, x.moving = x.store.New(x.Exchange, 0, 0, x.wrote), 0, 0
		x.awaitRoom()
		return 0, nil
	}
	x.moving += len(p)
	x.stored.Append(p)
	return x.unstored(), nil
}

// unstored returns how many bytes wait in memory, and more than the high-water
// mark if the file is full.
func (x *Exchange) unstored() int {
	n := x.moving + x.held
	if x.stored != nil && x.stored.Size()+x.handed >= x.max {
		n += asteri.HighWater
	}
	return n
}

// OnDrain sets the function to call when there is room for more.
func (x *Exchange) OnDrain(fn func()) {
	x.onDrain = fn
	switch {
	case x.stored == nil:
		x.awaitRoom()
	case x.unstored() < asteri.LowWater:
		x.Home().Post(x.tellRoom)
	}
}

func (x *Exchange) tellRoom() {
	if fn := x.onDrain; fn != nil && x.unstored() < asteri.LowWater {
		x.onDrain = nil
		fn()
	}
}

func (x *Exchange) awaitRoom() {
	x.room = false
	if !x.asked {
		x.asked = true
		x.Exchange.OnDrain(x.drained)
	}
}

// drained is called when the client has taken what the exchange below had.
func (x *Exchange) drained() {
	x.asked, x.room = false, true
	x.handed = 0
	x.pump()
	x.tellRoom()
}

// wrote is called as bytes arrive in the file. Only now is there room for more: a
// slow disk slows the handler, too.
func (x *Exchange) wrote(n int, err error) {
	if err != nil {
		x.log.Error("cannot store a response", "error", err)
		x.fail(err)
		return
	}
	x.moving -= n
	x.pump()
	x.tellRoom()
}

// pump gives the exchange below what is in the file, if it has room or something
// waits behind the content. When that was all, the file has done its work.
func (x *Exchange) pump() {
	for x.stored != nil && (x.room || len(x.later) > 0) {
		if file, written := x.stored.File(); written > x.sent {
			file.Hold() // for the exchange below
			if err := x.Exchange.SendFile(file, x.sent, written-x.sent); err != nil {
				x.fail(err)
				return
			}
			x.sent = written
			x.awaitRoom()
		}
		if !x.stored.Settled() {
			return
		}
		if !x.room {
			x.handed += x.stored.Size()
		}
		x.drop()
		x.goOn()
	}
}

// goOn does what waited for the file, until there is another.
func (x *Exchange) goOn() {
	for len(x.later) > 0 && x.stored == nil {
		op := x.later[0]
		x.later = x.later[1:]
		op()
	}
}

// after runs op once all content that came before is with the exchange below.
func (x *Exchange) after(op func()) {
	x.later = append(x.later, op)
	x.pump()
}

// SendFile takes a part of a file as content, which needs no other file.
func (x *Exchange) SendFile(f asteri.File, off, n int64) error {
	if x.stored == nil { // and so nothing waits
		return x.Exchange.SendFile(f, off, n)
	}
	x.after(func() { x.check(x.Exchange.SendFile(f, off, n)) })
	return nil
}

// Finish ends the response behind all content.
func (x *Exchange) Finish(trailer *asteri.Header) error {
	if x.stored == nil {
		return x.Exchange.Finish(trailer)
	}
	x.after(func() { x.check(x.Exchange.Finish(trailer)) })
	return nil
}

// Abort ends the exchange and forgets what is stored.
func (x *Exchange) Abort(cause error) { x.fail(cause) }

// check ends the exchange if something that was put off has failed.
func (x *Exchange) check(err error) {
	if err != nil {
		x.fail(err)
	}
}

// fail lets go of everything. What was put off meets the end of the exchange, a
// handler that waits for room does so with its next call.
func (x *Exchange) fail(cause error) {
	x.drop()
	x.Exchange.Abort(cause)
	x.goOn()
	x.Home().Post(x.tellRoom)
}

// drop lets go of the file, which the exchange below may hold still.
func (x *Exchange) drop() {
	if x.stored != nil {
		x.stored.Close()
		x.stored = nil
	}
	x.moving = 0
}
