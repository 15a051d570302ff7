//go:build unix

package region

import "golang.org/x/sys/unix"

// reserve takes addresses for size bytes. The system reckons memory for a page when it
// is written, not before.
func reserve(size int) []byte {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|noReserve)
	if err != nil {
		return nil
	}
	advise(b)
	return b[:0]
}

// discard gives the memory back to the system. It does not fail for what reserve has
// returned.
func discard(b []byte) { _ = unix.Madvise(b, discarded) }
