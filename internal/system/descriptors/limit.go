package descriptors

import "golang.org/x/sys/unix"

const (
	// unlimited stands for a limit of the system that is none, or beyond all use.
	unlimited = 1 << 20
	// counted is how many descriptors are looked at to find those that are open.
	// The system gives out the lowest ones first.
	counted = 1 << 10
)

// systemLimit returns how many descriptors the process may have.
func systemLimit() int64 {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return unlimited
	}
	return int64(min(uint64(l.Cur), unlimited)) //nolint:unconvert // it is an int64 on FreeBSD
}

// inUse counts the descriptors that are open.
func inUse(limit int64) (n int64) {
	for fd := range min(limit, counted) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

// KeepFromChildren has no child process inherit what this one has inherited, but for
// the standard streams. Descriptors that are opened later see to that themselves.
func KeepFromChildren() {
	for fd := 3; fd < int(min(systemLimit(), counted)); fd++ {
		unix.CloseOnExec(fd) // does nothing if it is not open
	}
}
