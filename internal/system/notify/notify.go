// Package notify tells the service manager that has started this process how it is: the
// protocol of sd_notify, by a datagram for each message. Without a manager nothing is told.
package notify

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// States that a manager knows.
const (
	Ready    = daemon.SdNotifyReady
	Stopping = daemon.SdNotifyStopping
	Alive    = daemon.SdNotifyWatchdog
)

// Listening tells whether a service manager wants to be told.
func Listening() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// Send tells the manager what has changed, in one message. Nobody can help it if that does not
// arrive, but who reads the log may see why.
func Send(lines ...string) error {
	_, err := daemon.SdNotify(false, strings.Join(lines, "\n"))
	if err != nil {
		return fmt.Errorf("the service manager cannot be told: %w", err)
	}
	return nil
}

// Status is a text for people, as systemctl status shows it.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// MainPID says which process the service is from now on.
func MainPID(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

// Watchdog returns how often the manager wants to hear Alive at the least, or 0 if it does not.
func Watchdog() (time.Duration, error) { return daemon.SdWatchdogEnabled(false) }
