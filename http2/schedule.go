package http2

import (
	"math/bits"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// schedule holds the streams that have something to send and whose own window
// allows it, by urgency (RFC 9218 section 10). The zero value is empty.
type schedule struct {
	lists [httpfield.NumUrgencies]streamList
	used  uint8 // a bit for each list that is not empty
}

type streamList struct{ head, tail *serverStream }

func (q *schedule) empty() bool { return q.used == 0 }

// first returns the most urgent stream.
func (q *schedule) first() *serverStream {
	if q.used == 0 {
		return nil
	}
	return q.lists[bits.TrailingZeros8(q.used)].head
}

func (q *schedule) add(st *serverStream) {
	u := st.priority.Urgency
	l := &q.lists[u]
	st.ready, st.prev, st.next = true, l.tail, nil
	if l.tail == nil {
		l.head = st
		q.used |= 1 << u
	} else {
		l.tail.next = st
	}
	l.tail = st
}

func (q *schedule) remove(st *serverStream) {
	if !st.ready {
		return
	}
	u := st.priority.Urgency
	l := &q.lists[u]
	if st.prev == nil {
		l.head = st.next
	} else {
		st.prev.next = st.next
	}
	if st.next == nil {
		l.tail = st.prev
	} else {
		st.next.prev = st.prev
	}
	if l.head == nil {
		q.used &^= 1 << u
	}
	st.ready, st.prev, st.next = false, nil, nil
}

// makeReady puts a stream that has something to send into the schedule, if its
// window allows it, and sends if there is room.
func (st *serverStream) makeReady() {
	if st.ready || st.state == streamClosed || !st.sendable() {
		return
	}
	st.s.schedule.add(st)
	if !st.s.inData {
		st.s.pump()
	}
}

// sendable tells whether nothing but the connection keeps the stream from
// sending. A stream that is blocked by its own window is watched.
func (st *serverStream) sendable() bool {
	switch {
	case st.queue.Len() == 0:
		return st.queue.Ended()
	case st.sendWindow <= 0:
		st.s.clock.stalls(st)
		return false
	}
	return true
}

// unstall notes that the client may have opened the stream's window: what is in the way
// from then on, such as more urgent streams, is not that.
func (st *serverStream) unstall() {
	if st.sendWindow > 0 {
		st.stalled = 0
		if st.paced {
			st.s.clock.took(st, 0)
		}
	}
}

// prioritize changes the priority of a stream.
func (st *serverStream) prioritize(p httpfield.Priority) {
	if !st.ready {
		st.priority = p
		return
	}
	st.s.schedule.remove(st)
	st.priority = p
	st.s.schedule.add(st)
}

// pump sends from the queues of the streams while the connection has room.
func (s *session) pump() {
	if s.pumping || s.state == stateClosed || s.schedule.empty() {
		return
	}
	s.pumping = true
	defer func() { s.pumping = false }() // also if a handler ends the goroutine
	for s.state == stateOpen && s.queued() < sendHigh {
		st := s.schedule.first()
		if st == nil {
			break
		}
		if st.queue.Len() > 0 && s.sendWindow <= 0 {
			s.clock.connectionStalls()
			if !s.sendEnds() {
				break
			}
			continue
		}
		s.sendFrom(st)
	}
	if s.clock.paced && s.schedule.empty() {
		s.clock.allTaken()
	}
}

// sendEnds sends what needs no window while the connection's is closed: the ends
// of responses whose content is sent. It tells whether there was one.
func (s *session) sendEnds() bool {
	for used := s.schedule.used; used != 0; used &= used - 1 {
		for st := s.schedule.lists[bits.TrailingZeros8(used)].head; st != nil; st = st.next {
			if st.queue.Len() == 0 {
				s.sendFrom(st)
				return true
			}
		}
	}
	return false
}

// sendFrom sends one frame of a stream, and lets another have its turn.
func (s *session) sendFrom(st *serverStream) {
	if st.chargeSmallWindow(st.queue.Len()) {
		return
	}
	p := st.queue.Peek(min(st.sendWindow, s.sendWindow, s.maxFrame))
	if len(p) == 0 && st.queue.Len() > 0 {
		s.schedule.remove(st) // what comes next is in a file
		st.queue.Load(s.at.Local, &s.streams.Loads, st.loaded)
		return
	}
	more := st.queue.Len() - len(p)
	end := more == 0 && st.queue.Ended()
	trailer := st.queue.Trailer()
	if len(p) > 0 || end && trailer == nil {
		s.put(st.appendData(s.buffer(), p, end && trailer == nil))
		if len(p) > 0 {
			st.queue.Advance(s.at.Local, len(p))
			st.waiting()
		}
	}
	if end && trailer != nil {
		s.put(s.appendHeaders(s.buffer(), st.id, trailer.Fields(), true))
	}
	s.schedule.remove(st)
	if end {
		st.allSent()
		return
	}
	if st.sendable() {
		if s.schedule.addAgain(st); st.queue.Len() >= asteri.LowWater {
			return
		}
	}
	if more < asteri.LowWater {
		st.party.Drained()
	}
}

// chargeSmallWindow has a client pay that opens a window by a few bytes at a time while
// there is more to be sent. It tells whether that was the end.
func (st *serverStream) chargeSmallWindow(more int) (ended bool) {
	if n := min(st.sendWindow, st.s.sendWindow); n >= smallData || n <= 0 || n >= more {
		return false
	}
	if err := st.s.charge(smallDataCost, "windows are opened by a few bytes at a time"); err != nil {
		st.s.fail(err)
		return true
	}
	return false
}

// addAgain puts back a stream that has had its turn: behind the others if it is
// incremental, else in front.
func (q *schedule) addAgain(st *serverStream) {
	l := &q.lists[st.priority.Urgency]
	if st.priority.Incremental || l.head == nil {
		q.add(st)
		return
	}
	st.ready, st.prev, st.next = true, nil, l.head
	l.head.prev = st
	l.head = st
}

// loaded is called when a piece of a file has come into the queue, or cannot.
func (st *serverStream) loaded(err error) {
	switch {
	case st.state == streamClosed:
	case err != nil:
		st.x.FileFailed(err)
	default:
		st.makeReady()
	}
}
