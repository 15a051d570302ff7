package ctl

import (
	"net"
	"os"
)

// peer is who is at the other end, by the system's word.
type peer struct {
	uid int
	pid int // 0 where the system does not tell
}

// allowed tells whether it may give orders: the server's own user and root may do
// whatever they like to it anyway.
func (p peer) allowed() bool { return p.uid == 0 || p.uid == os.Geteuid() }

// peerOf asks who has connected. Nobody has the user id -1.
func peerOf(c *net.UnixConn) (peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{uid: -1}, err
	}
	who := peer{uid: -1}
	var asked error
	if err := raw.Control(func(fd uintptr) { who, asked = credentials(int(fd)) }); err != nil {
		return peer{uid: -1}, err
	}
	return who, asked
}
