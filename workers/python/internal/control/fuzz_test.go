package control

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/workers/python/internal/report"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// FuzzControl feeds the control socket with what a worker may send, in pieces, with
// descriptors. Nothing may panic, no more may wait than is allowed, and in the end every
// descriptor has been closed.
func FuzzControl(f *testing.F) {
	frame := func(kind wire.FrameType, payload any) []byte { return wiretest.Frame(kind, 0, 0, payload) }
	for stream := range int64(2) {
		for _, attack := range wiretest.HostileControl(stream) {
			if len(attack) < 1<<16 {
				f.Add(attack, uint8(0), uint8(0))
			}
		}
	}
	seed := slices.Concat(frame(wire.FrameFD, 1), frame(wire.FramePong, make([]byte, 8)), frame(wire.FrameRecalled, wiretest.List{1, 2}),
		frame(wire.FrameStacks, map[string]any{"a": "b"}), frame(wire.FrameFD, 2))
	for cut := range uint8(40) {
		f.Add(seed, cut, uint8(1))
	}
	longest := 0
	for kind := 128; kind < 1<<8; kind++ {
		longest = max(longest, wire.MaxPayload(wire.FrameType(kind)))
	}
	f.Fuzz(func(t *testing.T, in []byte, cut, fds uint8) {
		before := wiretest.DescriptorsHeld(t)
		ours, theirs := pair(t)
		metrics, routes := report.NewMetrics(new(logtest.Text).Logger()), new(report.Routes)
		asked, told := [3]int32{2, 1, 1}, [3]int32{}
		c, err := New(ours, Events{
			Pong:       func() { told[0]++ },
			Recalled:   func([]uint32) { told[1]++ },
			Stacks:     func(map[string]string) { told[2]++ },
			Descriptor: func(uint32) {},
			Metrics:    func(told any) error { return metrics.Merge(new(report.Worker), told) },
			Sources:    func(told any) error { _, err := wire.ParseSources(told); return err },
			Memory:     func(told any) error { return routes.Merge(new(report.Worker), told) },
			Broken:     func(error) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.most = 4
		c.pings.Store(asked[0])
		c.recalls.Store(asked[1])
		c.stackings.Store(asked[2])
		for n := 0; len(in) > 0; n++ {
			piece := in[:min(len(in), int(cut)+1)]
			in = in[len(piece):]
			if err := c.take(piece, testRights(t, fds, n), 0, 0); err != nil {
				c.closeLoose()
				break
			}
			if len(c.files) > c.most || len(c.buf) > len(piece)+longest+wire.HeaderLen {
				t.Fatalf("%d descriptors and %d bytes wait", len(c.files), len(c.buf))
			}
		}
		c.Settle()
		for i := range told {
			if told[i] > asked[i] {
				t.Errorf("answers to questions %d: %d, asked %d", i, told[i], asked[i])
			}
		}
		c.Close()
		theirs.Close()
		if after := wiretest.DescriptorsHeld(t); after != before {
			t.Errorf("%d descriptors, before %d", after, before)
		}
	})
}

// pair makes a socketpair, of which ours does not block.
func pair(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control of the worker")
}

// testRights makes the ancillary data of the nth piece: a bit of fds says whether it has
// descriptors, and one more that there are two.
func testRights(t *testing.T, fds uint8, n int) []byte {
	t.Helper()
	if n >= 7 || fds>>n&1 == 0 {
		return nil
	}
	var all []int
	for range 1 + fds>>7 {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fd)
	}
	return unix.UnixRights(all...)
}
