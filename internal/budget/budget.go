// Package budget bounds the memory that buffers use together.
package budget

import "sync/atomic"

// Budget counts bytes against a limit. Reserving never fails: a budget that is
// nearly used up is Tight, so that nobody asks for more than is needed, and beyond
// that it is Over, until those who hold the most have given up theirs.
//
// The marks lie below the limit, because memory that was given back is only free
// for others once the collector has been there.
type Budget struct {
	used   atomic.Int64
	limit  int64
	tight  int64
	over   int64
	relief int64 // down to here
}

// New returns a budget of limit bytes; none if limit <= 0.
func New(limit int64) *Budget {
	return &Budget{limit: limit, tight: limit / 10 * 7, over: limit / 10 * 9, relief: limit / 10 * 8}
}

// Reserve counts n bytes as used; a negative n releases them.
func (b *Budget) Reserve(n int64) { b.used.Add(n) }

// Used returns the bytes in use.
func (b *Budget) Used() int64 { return b.used.Load() }

// Limit returns the limit in bytes; none if it is not positive.
func (b *Budget) Limit() int64 { return b.limit }

// Tight tells whether more than seven tenths are used: what need not grow does not.
func (b *Budget) Tight() bool { return b.limit > 0 && b.used.Load() > b.tight }

// Over tells whether more than nine tenths are used: memory is to be given up.
func (b *Budget) Over() bool { return b.limit > 0 && b.used.Load() > b.over }

// Excess returns how many bytes are to be given up until no more than eight tenths
// are used; 0 or less is none. It is asked by who finds the budget Over.
func (b *Budget) Excess() int64 {
	if b.limit <= 0 {
		return 0
	}
	return b.used.Load() - b.relief
}

// Level is what the marks say, for people: 0 is calm, 1 tight, 2 over.
func (b *Budget) Level() int {
	switch {
	case b.Over():
		return 2
	case b.Tight():
		return 1
	}
	return 0
}
