// Package purse bounds what a client may ask for that brings it nothing: it has a
// purse to pay from, which fills with time and with useful work.
package purse

import "time"

// Size says how large a purse is and how fast it fills.
type Size struct {
	Full float64
	Rate float64 // a second
}

// ForResets is the size for streams that end by a reset or an error. A page that is left
// may reset all that it has open, twice at once.
func ForResets(maxStreams int) Size {
	return Size{Full: float64(max(2*maxStreams, 100)), Rate: 50}
}

// Purse belongs to one goroutine. The zero value is empty and stays so.
type Purse struct {
	size   Size
	filled float64
	at     time.Time
}

// New returns a full purse.
func New(s Size, now time.Time) Purse { return Purse{size: s, filled: s.Full, at: now} }

// Pay takes n out of the purse and tells whether there was so much in it. What
// time has put in is looked at only when it is needed.
func (p *Purse) Pay(n float64, now time.Time) bool {
	if p.filled < n {
		p.filled = min(p.filled+p.size.Rate*now.Sub(p.at).Seconds(), p.size.Full)
		p.at = now
	}
	p.filled -= n
	return p.filled >= 0
}

// Earn puts n into the purse.
func (p *Purse) Earn(n float64) { p.filled = min(p.filled+n, p.size.Full) }
