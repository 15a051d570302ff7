//go:build asteridebug

package callback

import "github.com/asteri/asteri-loop"

// Debug says that this is a debug build: no exchange serves twice.
const Debug = true

// Owned panics unless the calling goroutine is that of the executor.
func Owned(home asteri.Executor) {
	if o, ok := home.(interface{ CheckOwner() }); ok {
		o.CheckOwner()
	}
}
