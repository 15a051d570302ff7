//go:build !linux

package notify

import "github.com/coreos/go-systemd/v22/daemon"

// Reloading says that a reload begins now; Ready is its end.
func Reloading() []string { return []string{daemon.SdNotifyReloading} }
