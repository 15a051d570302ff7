//go:build !asteridebug

package workers

import "github.com/asteri/asteri-loop"

func nothing() {}

// takeOwnership does nothing in release builds; see owner_debug.go.
func takeOwnership(asteri.Executor) (giveBack func()) { return nothing }
