//go:build asteridebug

package loop

import (
	"bytes"
	"runtime"
	"strconv"
	"sync/atomic"
)

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

func goroutineID() int64 {
	var buf [64]byte
	fields := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	id, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return id
}
