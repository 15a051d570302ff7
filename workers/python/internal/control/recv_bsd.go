//go:build unix && !linux

package control

import "golang.org/x/sys/unix"

// These systems have no common flag that makes received descriptors
// close-on-exec; it is set right after. Go programs get EPIPE, not SIGPIPE, from
// descriptors other than 1 and 2.
const (
	recvFlags = unix.MSG_DONTWAIT
	sendFlags = unix.MSG_DONTWAIT
)
