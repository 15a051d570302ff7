// Package turns is the queue in which requests wait for a worker. Connections take turns,
// so that a client with a hundred requests waits for others as they wait for it.
package turns

import (
	"iter"

	"github.com/asteri/asteri-loop"
)

// Queue holds values that wait. The first one of a connection is of the next turn, its
// second of the one after; within a turn they are in the order in which they came. A
// connection is known by its Peer: each client behind a trusted proxy that names them has
// one of its own. The zero value is an empty queue. It is not safe for concurrent use.
type Queue[T any] struct {
	n     int
	turn  int // that is served
	last  int // nothing is of a later one
	turns [most]list[T]
	// standings are those of connections that may have several requests at once and of
	// which some wait.
	standings map[*asteri.Peer]standing
}

// most bounds the turns that are known. What a connection has beyond that many is in
// the last of them, as it came.
const most = 128

// standing is how far a connection reaches.
type standing struct{ waiting, last int }

// Place is the place of a value in at most one queue. It belongs to whoever waits, so that
// waiting takes no memory.
type Place[T any] struct {
	Value      T
	prev, next *Place[T]
	turn       int
	peer       *asteri.Peer // of whose standing it is; nil: of none
	taken      bool
}

// Len returns how many wait.
func (q *Queue[T]) Len() int { return q.n }

// PushBack has p wait on behalf of a request.
func (q *Queue[T]) PushBack(p *Place[T], r *asteri.Request) {
	p.turn = q.turnOf(r)
	if severalAtOnce(r) {
		p.peer = r.Peer
		if q.standings == nil {
			q.standings = make(map[*asteri.Peer]standing)
		}
		q.standings[p.peer] = standing{q.standings[p.peer].waiting + 1, p.turn}
	}
	q.list(p.turn).pushBack(p)
	q.added(p)
}

// PushFront gives p the first place of all: it has had its turn before.
func (q *Queue[T]) PushFront(p *Place[T]) {
	p.turn = q.turn
	q.list(p.turn).pushFront(p)
	q.added(p)
}

func (q *Queue[T]) added(p *Place[T]) {
	p.taken = true
	q.last = max(q.last, p.turn)
	q.n++
}

// severalAtOnce tells whether a connection may have more than one request: before HTTP/2
// it has not, and need not be counted.
func severalAtOnce(r *asteri.Request) bool { return r.Proto >= asteri.HTTP2 }

// turnOf returns the turn that a request would have.
func (q *Queue[T]) turnOf(r *asteri.Request) int {
	before := q.turn
	if severalAtOnce(r) {
		before = max(before, q.standings[r.Peer].last)
	}
	return min(before+1, q.turn+most-1)
}

func (q *Queue[T]) list(turn int) *list[T] { return &q.turns[turn%most] }

// PopFront takes the first one; nil if none waits.
func (q *Queue[T]) PopFront() *Place[T] {
	if q.n == 0 {
		return nil
	}
	for q.list(q.turn).head == nil {
		q.turn++
	}
	p := q.list(q.turn).head
	q.Remove(p)
	return p
}

// Remove takes p out of the queue. It returns false if it is in none.
func (q *Queue[T]) Remove(p *Place[T]) bool {
	if !p.taken {
		return false
	}
	p.taken = false
	q.n--
	q.list(p.turn).remove(p)
	if p.peer != nil {
		if s := q.standings[p.peer]; s.waiting > 1 {
			q.standings[p.peer] = standing{s.waiting - 1, s.last}
		} else {
			delete(q.standings, p.peer)
		}
		p.peer = nil
	}
	return true
}

// Hindmost returns the last one if its turn is later than that which a request would
// have: its connection has more that wait before it. Otherwise it returns nil.
func (q *Queue[T]) Hindmost(r *asteri.Request) *Place[T] {
	for turn := q.turnOf(r); q.last > turn; q.last-- {
		if p := q.list(q.last).tail; p != nil {
			return p
		}
	}
	return nil
}

// All returns all that wait, in their order. The one that was returned may be removed.
func (q *Queue[T]) All() iter.Seq[*Place[T]] {
	return func(yield func(*Place[T]) bool) {
		for turn := q.turn; turn <= q.last; turn++ {
			for p := q.list(turn).head; p != nil; {
				next := p.next
				if !yield(p) {
					return
				}
				p = next
			}
		}
	}
}

// list is what is of one turn.
type list[T any] struct{ head, tail *Place[T] }

func (l *list[T]) pushBack(p *Place[T]) {
	p.prev, p.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = p
	} else {
		l.head = p
	}
	l.tail = p
}

func (l *list[T]) pushFront(p *Place[T]) {
	p.prev, p.next = nil, l.head
	if l.head != nil {
		l.head.prev = p
	} else {
		l.tail = p
	}
	l.head = p
}

func (l *list[T]) remove(p *Place[T]) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		l.head = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		l.tail = p.prev
	}
	p.prev, p.next = nil, nil
}
