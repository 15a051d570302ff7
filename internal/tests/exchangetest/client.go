package exchangetest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// Send sends body bytes as the client.
func (x *Exchange) Send(p []byte) {
	x.t.Helper()
	x.exec.Do(func() { x.SendHere(p) })
}

// SendHere is Send for a test that is on the executor.
func (x *Exchange) SendHere(p []byte) {
	x.check("SendHere")
	x.body = append(x.body, p...)
	x.deliver()
}

// SendEnd ends the request body; trailer may be nil.
func (x *Exchange) SendEnd(trailer *asteri.Header) {
	x.t.Helper()
	x.exec.Do(func() {
		x.bodyEnd = func(s asteri.BodySink) { s.OnEnd(trailer) }
		x.deliver()
	})
}

// FailBody ends the request body with an error.
func (x *Exchange) FailBody(err error) {
	x.t.Helper()
	x.exec.Do(func() {
		x.bodyEnd = func(s asteri.BodySink) { s.OnError(err) }
		x.deliver()
	})
}

// Hold makes the client stop reading: what is written stays queued.
func (x *Exchange) Hold() {
	x.t.Helper()
	x.exec.Do(func() { x.held = true })
}

// Release makes the client read all that is queued, and stop again.
func (x *Exchange) Release() {
	x.t.Helper()
	x.exec.Do(func() {
		x.unsent = 0
		x.drained()
	})
}

// Unsent returns how many bytes are queued for the client.
func (x *Exchange) Unsent() (n int) {
	x.t.Helper()
	x.exec.Do(func() { n = x.unsent })
	return n
}

// Content returns the response content that the client has so far.
func (x *Exchange) Content() (p []byte) {
	x.t.Helper()
	x.exec.Do(func() { p = bytes.Clone(x.result.Body) })
	return p
}

// BodyAsked tells whether the handler has asked for the request body.
func (x *Exchange) BodyAsked() (asked bool) {
	x.t.Helper()
	x.exec.Do(func() { asked = x.bodyAsked })
	return asked
}

// Unconsumed returns how many body bytes were delivered and not given back.
func (x *Exchange) Unconsumed() (n int) {
	x.t.Helper()
	x.exec.Do(func() { n = x.unconsumed })
	return n
}

// Cancel makes the client go. All causes but asteri.ErrHalfClosed end the
// exchange.
func (x *Exchange) Cancel(cause error) {
	x.t.Helper()
	x.exec.Do(func() {
		if x.ended.Load() {
			return
		}
		x.cancelCause = cause
		if !errors.Is(cause, asteri.ErrHalfClosed) {
			x.end(cause)
		}
		if x.onCancel != nil {
			x.onCancel(cause)
		}
	})
}

// Ended tells whether the exchange has ended.
func (x *Exchange) Ended() bool { return x.ended.Load() }

// Wait waits for the end of the exchange and returns what the client got.
func (x *Exchange) Wait() Result {
	x.t.Helper()
	select {
	case <-x.done:
	case <-time.After(patience):
		x.t.Fatal("the exchange was not answered in time")
	}
	return x.result
}

// Answer is Serve and Wait.
func (x *Exchange) Answer(h asteri.Handler) Result {
	x.t.Helper()
	x.Serve(h)
	return x.Wait()
}

// Eventually waits until what is true.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("did not happen in time: " + what)
		}
	}
}

// Upgraded tells whether the handler has made a tunnel of the exchange.
func (x *Exchange) Upgraded() (done bool) {
	x.t.Helper()
	x.exec.Do(func() { done = x.result.Status == 101 })
	return done
}

// Shutdown begins a graceful stop of the server, of which tunnels are told.
func (x *Exchange) Shutdown() {
	x.t.Helper()
	x.exec.Do(func() {
		if fn := x.onShutdown; fn != nil && !x.ended.Load() {
			x.onShutdown = nil
			fn()
		}
	})
}
