//go:build darwin || freebsd

package ctl

import "golang.org/x/sys/unix"

// solLocal is the level of options of Unix sockets, SOL_LOCAL.
const solLocal = 0

func credentials(fd int) (peer, error) {
	c, err := unix.GetsockoptXucred(fd, solLocal, unix.LOCAL_PEERCRED)
	if err != nil {
		return peer{uid: -1}, err
	}
	return peer{uid: int(c.Uid)}, nil
}
