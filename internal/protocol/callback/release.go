//go:build !asteridebug

package callback

import "github.com/asteri/asteri-loop"

// Debug says that this is no debug build; see debug.go.
const Debug = false

// Owned does nothing in release builds.
func Owned(asteri.Executor) {}
