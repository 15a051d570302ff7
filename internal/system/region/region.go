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
	"slices"
	"sync"
)

// What a few free regions keep of their memory, so that buffers of usual messages are not
// taken from the system and given back with each.
const (
	warmRegions = 8
	warmBytes   = 256 << 10
)

var (
	mu   sync.Mutex
	cold = map[int][][]byte{} // free ones without memory, by size
	warm [][]byte             // free ones that keep warmBytes at most
)

// Take returns an empty slice with room for size bytes, or more: whole pages. It
// returns nil if the system gives no addresses, or has no such memory.
func Take(size int) []byte {
	size = Occupied(size)
	mu.Lock()
	defer mu.Unlock()
	for i, b := range warm {
		if cap(b) == size {
			warm = slices.Delete(warm, i, i+1)
			return b
		}
	}
	if all := cold[size]; len(all) > 0 {
		cold[size] = all[:len(all)-1]
		return all[len(all)-1]
	}
	return reserve(size)
}

// Give takes back what Take has returned, with as many bytes as were written, which are
// lost.
func Give(b []byte) {
	keep := keepable(b)
	if len(b) > keep {
		discard(b[keep:cap(b)])
	}
	mu.Lock()
	defer mu.Unlock()
	if warm = append(warm, b[:0]); len(warm) <= warmRegions {
		return
	}
	oldest := warm[0]
	warm = slices.Delete(warm, 0, 1)
	discard(oldest[:keepable(oldest)])
	cold[cap(oldest)] = append(cold[cap(oldest)], oldest)
}

// keepable is how much of a free region may have memory.
func keepable(b []byte) int { return min(warmBytes, cap(b)) }

// Occupied returns about how much memory a region takes of which n bytes were written.
func Occupied(n int) int {
	page := os.Getpagesize()
	return (n + page - 1) / page * page
}
