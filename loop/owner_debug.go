//go:build asteridebug

package loop

import "sync/atomic"

// owner asserts in debug builds that a loop's state is touched only by who
// holds the loop: its goroutine, or a coroutine that it handed itself over to.
type owner struct{ goroutine atomic.Int64 }

func (o *owner) take() (previous int64) { return o.goroutine.Swap(goroutineID()) }

func (o *owner) give(to int64) { o.goroutine.Store(to) }

func (o *owner) check() {
	if o.goroutine.Load() != goroutineID() {
		panic("loop: called from a goroutine that does not own the loop")
	}
}

// mine tells whether the calling goroutine holds the loop.
func (o *owner) mine() bool { return o.goroutine.Load() == goroutineID() }
