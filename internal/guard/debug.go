//go:build asteridebug

package guard

import "github.com/asteri/asteri-loop"

// Debug says that this is a debug build: what handlers may not keep is destroyed.
const Debug = true

// Poison overwrites what nobody may look at any more.
func Poison(p []byte) {
	for i := range p {
		p[i] = 0xDB
	}
}

// Owned panics unless the calling goroutine is that of the executor.
func Owned(home asteri.Executor) {
	if o, ok := home.(interface{ AssertOwner() }); ok {
		o.AssertOwner()
	}
}
