package region

import (
	"bytes"
	"os"
	"runtime"
	"testing"
)

// A region is used again, has the room that was asked for, and takes memory only for
// what was written, until it is given back.
func TestRegion(t *testing.T) {
	const size = 64<<20 + 1
	b := Take(size)
	if b == nil {
		t.Fatal("no region")
	}
	if len(b) != 0 || cap(b) < size || cap(b) > size+os.Getpagesize() {
		t.Fatalf("%d bytes, room for %d", len(b), cap(b))
	}
	for range 1 << 10 {
		b = append(b, bytes.Repeat([]byte{'a'}, 1<<10)...)
	}
	before := resident(t, b)
	Give(b)
	again := Take(size)
	if &again[:1][0] != &b[0] {
		t.Error("another region, though one was free")
	}
	if n := resident(t, again); runtime.GOOS == "linux" && (before < 1<<20 || before > 2<<20 || n > warmBytes) {
		t.Errorf("%d bytes of memory for 1 MiB, %d once it was given back", before, n)
	}
	if other := Take(size); &other[:1][0] == &again[:1][0] {
		t.Error("a region was given out twice")
	} else {
		Give(other)
	}
	Give(again)
}

// However many regions are given back, few keep memory.
func TestFewRegionsStayWarm(t *testing.T) {
	const size = 1 << 20
	var all [][]byte
	for range 3 * warmRegions {
		b := Take(size)
		all = append(all, append(b, bytes.Repeat([]byte{'a'}, size)...))
	}
	for _, b := range all {
		Give(b)
	}
	kept := 0
	for _, b := range all {
		if resident(t, b) > 0 {
			kept++
		}
	}
	if len(warm) > warmRegions || kept > warmRegions {
		t.Errorf("%d are warm, %d keep memory", len(warm), kept)
	}
}

func TestOccupied(t *testing.T) {
	page := os.Getpagesize()
	for n, want := range map[int]int{0: 0, 1: page, page: page, page + 1: 2 * page} {
		if got := Occupied(n); got != want {
			t.Errorf("%d bytes occupy %d, not %d", n, got, want)
		}
	}
}
