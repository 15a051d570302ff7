// Package region has memory beside the collector's heap, for buffers of megabytes that
// grow to nobody knows what. A region takes addresses for the greatest size, and memory
// only for what was written: so the buffer grows without a copy, and its memory is the
// system's again as soon as it is given back, which the collector would do later than
// clients who send such messages need it.
//
// Addresses that were used stay those of regions. Whoever keeps a slice for too long
// reads zeros or another buffer's bytes, as with any buffer that is used again.
package region

import (
	"os"
	"sync"
)

var (
	mu   sync.Mutex
	free = map[int][][]byte{} // by size
)

// Take returns an empty slice with room for size bytes, or more: whole pages. It
// returns nil if the system gives no addresses, or has no such memory.
func Take(size int) []byte {
	page := os.Getpagesize()
	size = (size + page - 1) / page * page
	mu.Lock()
	defer mu.Unlock()
	if all := free[size]; len(all) > 0 {
		b := all[len(all)-1]
		free[size] = all[:len(all)-1]
		return b
	}
	return reserve(size)
}

// Give takes back what Take has returned, with any length. The bytes are lost.
func Give(b []byte) {
	b = b[:cap(b)]
	discard(b)
	mu.Lock()
	defer mu.Unlock()
	free[len(b)] = append(free[len(b)], b[:0])
}

// Occupied returns about how much memory a region takes of which n bytes were written.
func Occupied(n int) int {
	page := os.Getpagesize()
	return (n + page - 1) / page * page
}
