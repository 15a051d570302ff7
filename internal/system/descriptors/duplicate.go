package descriptors

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Duplicate returns another file for the same open file, to be closed on its own.
func Duplicate(f *os.File) (*os.File, error) {
	fd, err := DuplicateFD(f)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// DuplicateFD returns another descriptor for the same open file or socket. It is none of
// the standard streams' and not inherited by child processes.
func DuplicateFD(f syscall.Conn) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dupErr error
	err = raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3)
	})
	if err == nil && dupErr != nil {
		err = os.NewSyscallError("fcntl", dupErr)
	}
	return fd, err
}
