package control

import "golang.org/x/sys/unix"

// recvFlags make received descriptors close-on-exec at once; sendFlags keep a
// worker that has gone from raising SIGPIPE.
const (
	recvFlags = unix.MSG_CMSG_CLOEXEC | unix.MSG_DONTWAIT
	sendFlags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
)
