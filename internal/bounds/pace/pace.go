// Package pace judges how fast a peer takes what waits for it. Only the time counts in
// which something waits for nobody but the peer: not that in which an application is
// silent, a disk is read or the server itself holds back.
package pace

import "time"

// Limit is the least pace. The zero value is none.
type Limit struct {
	// Rate is in bytes a second; 0 for no limit.
	Rate int
	// Grace is the shortest time over which it is judged.
	Grace time.Duration
}

// Late tells whether n bytes are too few for the time d.
func (l Limit) Late(n int64, d time.Duration) bool {
	return l.Rate > 0 && d >= l.Grace && float64(n) < float64(l.Rate)*d.Seconds()
}

// memory is how long what a peer has taken speaks for it: who was fast may be slow, but
// not for ever.
const memory = 30 * time.Second

// Pace follows one peer, or one of its streams. Times are in nanoseconds of any clock
// that does not go back. The zero value waits for nothing.
type Pace struct {
	since  int64 // the present wait; 0: there is none
	waited time.Duration
	taken  int64

	// As at an earlier look, from which on is judged.
	fromWaited time.Duration
	fromTaken  int64
}

// Held makes a pace of a peer of whose bytes so many are on their way already: see Look.
func Held(n int) Pace { return Pace{fromTaken: -int64(n)} }

// Waits tells whether something waits for the peer.
func (p *Pace) Waits() bool { return p.since != 0 }

// Wait notes that something waits for the peer. It returns false if that is known.
func (p *Pace) Wait(now int64) bool {
	if p.since != 0 {
		return false
	}
	p.since = now
	return true
}

// Took notes that the peer has taken n bytes, and has not to take more before it is
// offered some.
func (p *Pace) Took(now int64, n int) {
	p.taken += int64(n)
	if p.since != 0 {
		p.waited += time.Duration(now - p.since)
		p.since = 0
	}
}

// Clear notes that the peer has taken everything.
func (p *Pace) Clear() { *p = Pace{} }

// Look tells whether the peer is too slow, and is to be called about once in the grace.
// held is how many of the bytes that count as taken are known to be on their way still,
// as those in the buffer of a socket.
func (p *Pace) Look(now int64, held int, l Limit) (slow bool) {
	waited, taken := p.waited, p.taken-int64(held)
	if p.since != 0 {
		waited += time.Duration(now - p.since)
	}
	d := waited - p.fromWaited
	slow = l.Late(taken-p.fromTaken, d)
	if d > memory {
		p.fromWaited, p.fromTaken = waited, taken
	}
	return slow
}
