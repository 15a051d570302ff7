package ws

import "testing"

// Whatever a buffer has grown to, one that is taken for so much has the room.
func TestBuffersHaveRoom(t *testing.T) {
	b := takeBuffer()
	for n := range 2 << 20 / 4096 {
		b = grow(b, 4096)
		*b = append(*b, make([]byte, 4096)...)
		if want := (n + 1) * 4096; len(*b) != want {
			t.Fatalf("%d bytes of %d, room for %d", len(*b), want, cap(*b))
		}
	}
	giveBuffer(b)
	for size := 1; size <= maxBuffer; size = size*3 + 1 {
		odd := make([]byte, size)
		giveBuffer(&odd)
		for n := minBuffer + 1; n <= maxBuffer; n *= 2 {
			got := grow(new([]byte), n)
			if cap(*got) < n || len(*got) != 0 {
				t.Fatalf("room for %d of %d bytes", cap(*got), n)
			}
			giveBuffer(got)
		}
	}
}
