//go:build unix && !linux

package region

import "golang.org/x/sys/unix"

const (
	noReserve = 0
	discarded = unix.MADV_FREE
)

func advise([]byte) {}
