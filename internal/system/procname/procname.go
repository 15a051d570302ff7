// Package procname names this process for lists of processes, beside its command line.
package procname

import "errors"

// ErrUnsupported says that this system keeps no such name.
var ErrUnsupported = errors.New("processes have names of their own on Linux only")
