package notify

import (
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Reloading says that a reload begins now; Ready is its end. The time is by the manager's
// clock, which tells this from a reload before.
func Reloading() []string {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // Linux has this clock
	return []string{daemon.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", time.Duration(now.Nano()).Microseconds())}
}
