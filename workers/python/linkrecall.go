package python

import (
	"fmt"

	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Calls that the worker has not begun with are asked back for others.

// openProbe is a PROBE that was sent.
type openProbe struct {
	open bool   // and not answered
	last uint32 // the last stream before it
}

// recall asks the worker for up to n calls that it has not started, for each once: it
// gives it back or has begun with it. Those whose bodies are under way stay, and those
// whose clients have left, which the worker drops. A worker that starts all that it gets
// is asked for any, others for those that wait by what the front knows.
func (l *link) recall(n int) {
	if l.closed {
		l.takeBack(nil)
		return
	}
	l.openInbox() // they may be there still
	from := l.calls.waiting
	if l.calls.capacity >= dispatch.ManyCalls {
		from = l.calls.all(nil)
	}
	if !l.ask(from, n) {
		l.takeBack(nil)
	}
}

// ask sends a RECALL for up to n of the calls in from. It returns false if there is none to
// be asked for.
func (l *link) ask(from []*call, n int) bool {
	var ids []uint32
	for _, c := range from {
		if len(ids) < min(n, wire.MaxRecalled) && !c.atLink.begun && !c.body.Stream && !c.atLink.asked && !c.atLink.left {
			c.atLink.asked = true
			ids = append(ids, c.atLink.id)
		}
	}
	if len(ids) > 0 {
		l.worker.control.Recall(ids)
	}
	return len(ids) > 0
}

// sendProbe asks the worker whether it still reads its link. The answer says that it has begun
// with all that it was sent before.
func (l *link) sendProbe() {
	if l.closed || l.probe.open {
		return
	}
	l.openInbox()
	l.probe.open = true
	l.frame(wire.FrameProbe, 0, 0, nil)
	l.probe.last = l.calls.lastID
}

// onProbed handles the answer.
func (l *link) onProbed() error {
	if !l.probe.open {
		return wire.Violation("PROBED that was not asked for")
	}
	l.probe.open = false
	l.next = l.worker.pool.dispatcher.Probed(&l.worker.slots, l.calls.lastID != l.probe.last, l.next[:0])
	l.sendNext()
	return nil
}

// onRecalled handles the answer to a RECALL. What a worker gives back it has not begun
// with, so nothing of it has come on the link.
func (l *link) onRecalled(ids []uint32) {
	if l.closed {
		return
	}
	var back []*call
	for _, id := range ids {
		c := l.calls.get(id)
		if c == nil || !c.atLink.asked || c.atLink.begun || c.atLink.informs > 0 {
			l.worker.linkEnded(wire.Violation(fmt.Sprintf("RECALLED for stream %d, which was not asked for or has begun", id)))
			break
		}
		l.remove(c)
		back = append(back, c)
	}
	l.takeBack(back)
	if l.late.recalling {
		l.abandonLate()
	}
}

// takeBack has calls that the worker has not started go elsewhere, whatever their method.
func (l *link) takeBack(back []*call) {
	l.next = l.worker.pool.dispatcher.Restore(&l.worker.slots, len(back), l.next[:0])
	l.sendNext()
	// The last one first: each goes to the front of the queue.
	for i := len(back) - 1; i >= 0; i-- {
		back[i].toHome(l.loop, back[i].resubmit)
	}
	l.judgeLate()
}

// drain tells the worker that the server drains.
func (l *link) drain() {
	if !l.closed && !l.retiring { // else it knows
		l.frame(wire.FrameDrain, 0, 0, nil)
	}
}

// retire has the worker finish what it has: no more requests will be sent.
func (l *link) retire() {
	if l.closed || l.retiring {
		return
	}
	l.openInbox()
	l.flush()
	if !l.ask(l.calls.all(nil), wire.MaxRecalled) {
		l.takeBack(nil)
	}
	l.retireSockets()
	l.retireRawSockets()
	l.frame(wire.FrameShutdown, 0, 0, nil)
	l.retiring = true
}
