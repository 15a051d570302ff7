package python

import (
	"bytes"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// What a worker does that was taken over. Small frames grow by references: marshal lets an
// object be named that came before.

// hostileDescriptors sends descriptors that nobody has asked for.
func (p *fakeProcess) hostileDescriptors(what string, stream int64) {
	send := func(data []byte, fds ...int) { p.control.WriteMsgUnix(data, unix.UnixRights(fds...), nil) }
	fd := func(id int64) []byte { return wiretest.Frame(wire.FrameFD, 0, 0, id) }
	pong := wiretest.Frame(wire.FramePong, 0, 0, make([]byte, 8))
	var sixty []int
	for range 60 {
		sixty = append(sixty, int(os.Stdin.Fd()))
	}
	switch what {
	case "PONG with descriptors":
		for range 20 {
			send(pong, sixty...)
		}
	case "PONG with a descriptor":
		send(pong, 0)
	case "FD with two descriptors":
		send(fd(stream), 0, 0)
	case "FD with descriptors in pieces":
		one := fd(stream)
		send(one[:3], 0)
		send(one[3:], 0)
	case "FD for a stream that is not open":
		send(fd(stream+1), 0)
	case "FD twice":
		send(fd(stream), 0)
		send(fd(stream), 0)
	case "FD for more streams than calls":
		for i := range int64(100) {
			send(fd(stream+i), 0)
		}
	case "FILE twice":
		p.send(wire.FrameStart, 0, stream, []any{200, []any{}})
		for range 2 {
			f, _ := os.CreateTemp("", "fake")
			os.Remove(f.Name())
			send(fd(stream), int(f.Fd()))
			p.send(wire.FrameFile, 0, stream, []any{nil, 0, 0})
		}
	}
}

var hostileDescriptors = []string{
	"PONG with descriptors", "PONG with a descriptor", "FD with two descriptors", "FD with descriptors in pieces",
	"FD for a stream that is not open", "FD twice", "FD for more streams than calls", "FILE twice",
}

// hostile does the worst.
func (p *fakeProcess) hostile(r fakeRequest) {
	if attack := wiretest.HostileLink(r.stream)[r.query]; attack != nil {
		p.link.Write(attack)
	} else if attack := wiretest.HostileControl(r.stream)[r.query]; attack != nil {
		p.control.Write(attack)
	} else if r.query == "RETIRE without number" {
		p.link.Write(bytes.Repeat(wiretest.Frame(wire.FrameRetire, 0, 0, []byte{}), 100_000))
		p.answer(r, 200, "retired")
		return
	} else if r.query == "stacks" {
		// Its next answer to STACK; see onControl.
		p.mu.Lock()
		p.badStacks = true
		p.mu.Unlock()
		p.answer(r, 200, "ready")
		return
	} else {
		p.hostileDescriptors(r.query, r.stream)
	}
	time.Sleep(time.Hour)
}
