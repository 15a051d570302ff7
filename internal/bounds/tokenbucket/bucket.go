// Package tokenbucket bounds what a client may ask for that brings it nothing: each such
// thing takes tokens from a bucket, which fills with time and with useful work.
package tokenbucket

import "time"

// Size says how many tokens a bucket holds and how fast it fills.
type Size struct {
	Burst float64
	Rate  float64 // a second
}

// ForResets is the size for streams that end by a reset or an error. A page that is left
// may reset all that it has open, twice at once.
func ForResets(maxStreams int) Size {
	return Size{Burst: float64(max(2*maxStreams, 100)), Rate: 50}
}

// Bucket belongs to one goroutine. The zero value is empty and stays so.
type Bucket struct {
	size   Size
	tokens float64
	at     time.Time
}

// New returns a full bucket.
func New(s Size, now time.Time) Bucket { return Bucket{size: s, tokens: s.Burst, at: now} }

// Take takes n tokens and tells whether there were so many. What time has put in is
// looked at only when it is needed.
func (b *Bucket) Take(n float64, now time.Time) bool {
	if b.tokens < n {
		b.tokens = min(b.tokens+b.size.Rate*now.Sub(b.at).Seconds(), b.size.Burst)
		b.at = now
	}
	b.tokens -= n
	return b.tokens >= 0
}

// Put puts n tokens in.
func (b *Bucket) Put(n float64) { b.tokens = min(b.tokens+n, b.size.Burst) }
