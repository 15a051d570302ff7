// Package budget bounds the memory that buffers use together.
package budget

import "sync/atomic"

// Budget counts bytes against a limit. Reserving never fails: whoever fills
// buffers from outside asks Over first and holds back while it is true.
type Budget struct {
	used  atomic.Int64
	limit int64
}

// New returns a budget of limit bytes; none if limit <= 0.
func New(limit int64) *Budget { return &Budget{limit: limit} }

// Reserve counts n bytes as used; a negative n releases them.
func (b *Budget) Reserve(n int64) { b.used.Add(n) }

// Used returns the bytes in use.
func (b *Budget) Used() int64 { return b.used.Load() }

// Over tells whether more is used than the limit.
func (b *Budget) Over() bool { return b.limit > 0 && b.used.Load() > b.limit }
