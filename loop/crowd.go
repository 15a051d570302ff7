package loop

import (
	"cmp"
	"slices"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

// Where there are as many connections as there may be, the ones that wait for nothing
// make room for new ones: those first that have been silent the longest. Otherwise
// whoever opens enough of them would keep everybody else out.

// enter counts a connection, unless it is one too many.
func (e *Engine) enter() bool {
	open, limit := e.open.Add(1), int64(e.cfg.MaxConnections)
	e.makeRoom()
	if limit > 0 && open > limit {
		e.turnAway(refusedTotal)
		return false
	}
	return true
}

// turnAway takes back the count of a connection that is refused.
func (e *Engine) turnAway(why refusal) {
	e.open.Add(-1)
	e.refused.add(why)
}

// roomStep returns how many connections are made free, ahead of need, at a time: a look
// at all of them is then paid by many new ones.
func roomStep(limit int64) int64 { return max(limit/32, min(limit/4, 8), 1) }

// makeRoom has idle connections given up, if nearly as many are open as there may be:
// by MaxConnections, or for want of descriptors.
func (e *Engine) makeRoom() {
	limit := int64(descriptors.Connections())
	if n := int64(e.cfg.MaxConnections); n > 0 {
		limit = min(limit, n)
	}
	step := roomStep(limit)
	open := e.open.Load()
	if open <= limit-step || e.makingRoom.Swap(true) {
		return
	}
	e.roomFrom.Store(int64(len(e.loops)))
	for _, l := range e.loops {
		share := (step*l.stats.connections.Load() + open - 1) / max(open, 1)
		if !l.Post(func() { defer e.madeRoom(); l.dropIdle(int(share)) }) {
			e.madeRoom()
		}
	}
}

// madeRoom is called when a loop has looked.
func (e *Engine) madeRoom() {
	if e.roomFrom.Add(-1) == 0 {
		e.makingRoom.Store(false)
	}
}

// dropIdle gives up n idle connections, or as many as there are.
func (l *Loop) dropIdle(n int) {
	if n <= 0 {
		return
	}
	var idle []*conn
	for i := range l.registered {
		c := l.registered[i].conn
		if l.current = c; c != nil && c.kind == accepted && c.idle() {
			idle = append(idle, c)
		}
	}
	l.current = nil
	slices.SortFunc(idle, func(a, b *conn) int {
		return cmp.Or(cmp.Compare(a.active, b.active), a.info.Accepted.Compare(b.info.Accepted))
	})
	for _, c := range idle[:min(n, len(idle))] {
		l.engine.shed.idle.Add(1)
		c.shed()
	}
}

// idle tells whether nothing is under way: no session but the loop's own, or one that
// says so.
func (c *conn) idle() bool {
	if c.state != stateOpen || !c.out.empty() || c.fileJob {
		return false
	}
	switch s := c.session.(type) {
	case nil: // a handshake
		return true
	case Shedder:
		return s.Idle()
	}
	return false
}
