package region

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"
)

// resident returns how many bytes of b's capacity are in memory.
func resident(t *testing.T, b []byte) (bytes int) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip("no pagemap: ", err)
	}
	defer f.Close()
	page := os.Getpagesize()
	entries := make([]byte, 8*(cap(b)/page))
	first := uintptr(unsafe.Pointer(&b[:1][0])) / uintptr(page)
	if _, err := f.ReadAt(entries, int64(first)*8); err != nil {
		t.Fatal(err)
	}
	const present = 1 << 63
	for ; len(entries) > 0; entries = entries[8:] {
		if binary.NativeEndian.Uint64(entries)&present != 0 {
			bytes += page
		}
	}
	return bytes
}
