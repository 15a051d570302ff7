package ctl

import "golang.org/x/sys/unix"

func credentials(fd int) (peer, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{uid: -1}, err
	}
	return peer{int(c.Uid), int(c.Pid)}, nil
}
