package ws

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestFollowerFindsTheEndsOfFrames(t *testing.T) {
	var stream []byte
	ends := map[int]bool{0: true}
	for _, size := range []int{0, 1, 125, 126, 127, 1000, 65535, 65536, 70000} {
		for _, masked := range []bool{false, true} {
			if masked {
				stream = AppendMasked(stream, Text, true, false, [4]byte{1, 2, 3, 4}, make([]byte, size))
			} else {
				stream = append(AppendHeader(stream, Binary, size%2 == 0, true, size), make([]byte, size)...)
			}
			ends[len(stream)] = true
		}
	}
	for _, piece := range []int{1, 2, 3, 7, 1024, len(stream)} {
		var f Follower
		for at := 0; at < len(stream); {
			in := stream[at:min(at+piece, len(stream))]
			for len(in) > 0 {
				n := f.Next(in)
				if n <= 0 {
					t.Fatalf("at %d: moved by %d", at, n)
				}
				in, at = in[n:], at+n
				if f.Between() != ends[at] {
					t.Fatalf("pieces of %d: at %d Between is %v", piece, at, f.Between())
				}
			}
		}
	}
}

func TestFollowerAfterAClose(t *testing.T) {
	var f Follower
	f.Next(AppendClose(nil, NormalClosure, "bye"))
	if f.Between() {
		t.Error("a frame may follow a Close")
	}
}

func FuzzFollower(f *testing.F) {
	f.Add([]byte{0x81, 0x05, 'h', 'e', 'l', 'l', 'o', 0x88, 0x00}, uint64(1))
	f.Add([]byte{0x82, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1}, uint64(2))
	f.Add(bytes.Repeat([]byte{0x8A, 0x80}, 20), uint64(3))
	f.Fuzz(func(t *testing.T, p []byte, seed uint64) {
		var whole, cut Follower
		for rest := p; len(rest) > 0; {
			rest = rest[whole.Next(rest):]
		}
		r := rand.New(rand.NewPCG(seed, 0))
		for rest := p; len(rest) > 0; {
			piece := rest[:1+r.IntN(len(rest))]
			n := cut.Next(piece)
			if n <= 0 || n > len(piece) {
				t.Fatalf("moved by %d of %d", n, len(piece))
			}
			rest = rest[n:]
		}
		if whole.Between() != cut.Between() {
			t.Errorf("the outcome depends on how the input was cut")
		}
	})
}
