package loop

import "sync/atomic"

// Budget bounds the memory that buffers use together, on behalf of all clients of an
// engine. Its methods may be called from any goroutine. Reserving never fails: a budget
// that is nearly used up is tight, so that nobody asks for more than is needed, and beyond
// that it is over, until those who hold the most have given up theirs.
//
// The marks lie below the maximum, because memory that was given back is only free for
// others once the collector has been there.
type Budget struct {
	reserved atomic.Int64
	max      int64 // in bytes; none if it is not positive

	tightMark, overMark, reliefMark int64
}

// newBudget returns a budget of so many bytes; none if most <= 0.
func newBudget(most int64) *Budget {
	return &Budget{max: most, tightMark: most / 10 * 7, overMark: most / 10 * 9, reliefMark: most / 10 * 8}
}

// Reserve counts n bytes as used; a negative n releases them.
func (b *Budget) Reserve(n int64) { b.reserved.Add(n) }

// used returns the bytes in use.
func (b *Budget) used() int64 { return b.reserved.Load() }

// Tight tells whether more than seven tenths are used: what need not grow does not.
func (b *Budget) Tight() bool { return b.max > 0 && b.used() > b.tightMark }

// over tells whether more than nine tenths are used: memory is to be given up.
func (b *Budget) over() bool { return b.max > 0 && b.used() > b.overMark }

// excess returns how many bytes are to be given up until no more than eight tenths
// are used; 0 or less is none. It is asked by who finds the budget over.
func (b *Budget) excess() int64 {
	if b.max <= 0 {
		return 0
	}
	return b.used() - b.reliefMark
}

// level is what the marks say, for people: 0 is calm, 1 tight, 2 over.
func (b *Budget) level() int {
	switch {
	case b.over():
		return 2
	case b.Tight():
		return 1
	}
	return 0
}
