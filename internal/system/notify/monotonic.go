package notify

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the time of the system's clock CLOCK_MONOTONIC, which the manager compares
// with its own.
func monotonic() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
