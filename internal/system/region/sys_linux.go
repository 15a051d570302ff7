package region

import "golang.org/x/sys/unix"

const (
	noReserve = unix.MAP_NORESERVE
	discarded = unix.MADV_DONTNEED
)

// advise has the system take single pages: a huge one would be 2 MiB for the first byte.
func advise(b []byte) { _ = unix.Madvise(b, unix.MADV_NOHUGEPAGE) }
