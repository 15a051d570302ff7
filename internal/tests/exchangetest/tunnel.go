package exchangetest

import (
	"github.com/asteri/asteri-loop"
)

// tunnel is what remains of an exchange after Upgrade. The exchange's client
// methods go on working: Send sends into the tunnel, and what is written to it is
// in the result's body.
type tunnel struct{ x *Exchange }

// Upgrade ends HTTP with 101.
func (x *Exchange) Upgrade(h *asteri.Header) (asteri.Tunnel, error) {
	x.check("Upgrade")
	if x.ended.Load() {
		return nil, asteri.ErrClosed
	}
	if x.started {
		return nil, &asteri.ResponseError{Reason: "upgrade after Start"}
	}
	x.kept = true
	x.start(101, h, -1)
	x.sink, x.bodyEnd, x.unconsumed = nil, nil, 0
	return &tunnel{x}, nil
}

func (t *tunnel) Read(sink asteri.BodySink) {
	t.x.sink = sink
	t.x.deliver()
}

func (t *tunnel) Write(p []byte) (int, error) { return t.x.Write(p) }
func (t *tunnel) Consumed(n int)              { t.x.Consumed(n) }
func (t *tunnel) OnDrain(fn func())           { t.x.OnDrain(fn) }
func (t *tunnel) Post(fn func()) bool         { return t.x.Post(fn) }
func (t *tunnel) Home() asteri.Executor       { return t.x.Home() }
func (t *tunnel) Abort(cause error)           { t.x.Abort(cause) }

func (t *tunnel) Reserve(n int) { t.x.Reserve(n) }

func (t *tunnel) OnShutdown(fn func()) { t.x.onShutdown = fn }

func (t *tunnel) Close() {
	if !t.x.ended.Load() {
		t.x.end(nil)
	}
}
