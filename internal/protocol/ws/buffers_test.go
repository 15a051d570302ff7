package ws

import (
	"bytes"
	"testing"
)

// Whatever a buffer has grown to, one that is taken for so much has the room.
func TestBuffersHaveRoom(t *testing.T) {
	b := takeBuffer()
	for n := range 4 << 20 / 4096 {
		b = b.grow(4096, 5<<20)
		b.p = append(b.p, bytes.Repeat([]byte{byte(n)}, 4096)...)
		if want := (n + 1) * 4096; len(b.p) != want || b.memory() < want {
			t.Fatalf("%d bytes of %d in %d of memory, room for %d", len(b.p), want, b.memory(), cap(b.p))
		}
	}
	for n := range 4 << 20 / 4096 {
		if b.p[n*4096] != byte(n) {
			t.Fatalf("byte %d was lost", n*4096)
		}
	}
	if b.region == nil || b.memory() > 5<<20 {
		t.Errorf("4 MiB lie in a region: %v, and take %d bytes", b.region != nil, b.memory())
	}
	b.giveBack()
	for size := 1; size <= maxBuffer; size = size*3 + 1 {
		(&buffer{p: make([]byte, size)}).giveBack()
		for n := minBuffer + 1; n <= maxBuffer; n *= 2 {
			got := new(buffer).grow(n, n)
			if cap(got.p) < n || len(got.p) != 0 {
				t.Fatalf("room for %d of %d bytes", cap(got.p), n)
			}
			got.giveBack()
		}
	}
}
