//go:build unix

package process

import (
	"fmt"
	"os"
	"syscall"
)

// Exit says how a process ended.
type Exit struct {
	state *os.ProcessState
	err   error
}

// String describes the end for the log.
func (e Exit) String() string {
	if e.state == nil {
		return fmt.Sprintf("lost: %v", e.err)
	}
	if sig, ok := e.signal(); ok {
		return fmt.Sprintf("killed by signal %d (%v)", sig, sig)
	}
	return fmt.Sprintf("exited with status %d", e.state.ExitCode())
}

// Sentence is String for a Sentence that begins with the process.
func (e Exit) Sentence() string {
	if _, killed := e.signal(); killed || e.state == nil {
		return "was " + e.String()
	}
	return e.String()
}

func (e Exit) signal() (syscall.Signal, bool) {
	if e.state == nil {
		return 0, false
	}
	ws, ok := e.state.Sys().(syscall.WaitStatus)
	return ws.Signal(), ok && ws.Signaled()
}

// Status is the exit status, or the negative number of the signal that has killed the process.
func (e Exit) Status() int {
	if sig, killed := e.signal(); killed {
		return -int(sig)
	}
	if e.state == nil {
		return -1
	}
	return e.state.ExitCode()
}

// ByItself tells whether a process has brought its end upon itself: it exited, or did what
// no process may. Other signals come from outside.
func (e Exit) ByItself() bool {
	sig, signaled := e.signal()
	if !signaled {
		return e.state != nil
	}
	switch sig {
	case syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGABRT, syscall.SIGSYS, syscall.SIGTRAP:
		return true
	}
	return false
}
