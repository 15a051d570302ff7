//go:build asteridebug

package workers

import "github.com/asteri/asteri-loop"

// takeOwnership tells an executor that asserts who touches it that a coroutine
// does so now, until the function that it returns is called.
func takeOwnership(e asteri.Executor) (giveBack func()) {
	if o, ok := e.(interface{ TakeOwnership() func() }); ok {
		return o.TakeOwnership()
	}
	return func() {}
}
