package loop

import (
	"bytes"
	"runtime"
	"strconv"
)

// goroutineID returns the number of the calling goroutine. It takes a microsecond.
func goroutineID() int64 {
	var buf [64]byte
	fields := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	id, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return id
}

// mustNotBeOn panics if the calling goroutine is that of one of the engine's loops,
// which call would wait for. A debug build knows a coroutine of a loop, too.
func (e *Engine) mustNotBeOn(call string) {
	id := goroutineID()
	for _, l := range e.loops {
		if l.goroutine.Load() == id || l.owner.mine() {
			misused(call, "must not be called on a loop of the engine, since it waits for the loops: call it on another goroutine")
		}
	}
}
