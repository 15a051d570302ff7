//go:build !linux

package procstat

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Supported says that this package can tell: here, only the processor time of
// this process.
const Supported = false

// Read returns what a process uses now.
func Read(pid int) (Usage, error) {
	var u unix.Rusage
	if pid != os.Getpid() {
		return Usage{}, nil
	}
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return Usage{}, err
	}
	return Usage{CPU: time.Duration(u.Utime.Nano() + u.Stime.Nano())}, nil
}

// PSS returns 0: there is no such count here.
func PSS(int) (int64, error) { return 0, nil }

// ReadHost returns the number of processors.
func ReadHost() (Host, error) { return Host{CPUs: runtime.NumCPU()}, nil }
