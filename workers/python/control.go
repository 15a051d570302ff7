//go:build unix

package python

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/files"
	"github.com/asteri/asteri-loop/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Bounds of the control socket.
const (
	// maxControlQueue is how many frames may wait for a worker that does not
	// read. Its control thread does nothing else, so such a worker is lost.
	maxControlQueue = 1 << 15
	// maxFiles bounds the descriptors that a worker has sent and no FILE
	// frame has claimed; there are no more than it has calls either.
	maxFiles = 1 << 10
	// maxLook is how much of what a worker has sent is read in one go, in
	// bytes, with the mutex held. It is more than the socket's buffer holds.
	maxLook = 1 << 20
)

// control is the front's end of descriptor 4. Its methods may be called from any
// goroutine and never block: frames are sent at once if the socket takes them,
// else by a goroutine that waits for it.
type control struct {
	sock *os.File
	raw  syscall.RawConn
	on   controlEvents

	sendMu  sync.Mutex
	queue   []controlFrame
	sending bool
	sendErr error

	// Questions that the worker has not answered: it answers no others.
	pings, recalls, stackings atomic.Int32

	recvMu sync.Mutex
	buf    []byte // received and not yet parsed
	loose  int    // the descriptor whose FD frame is not complete yet; 0 for none
	most   int    // files at a time
	files  map[uint32]*os.File
	failed error

	reports reports
}

// controlEvents take what the worker sends. The first group is called on the goroutine
// that reads, or by whoever looks for a descriptor, and must not block. The second is
// called on a goroutine of its own; its errors end the worker.
type controlEvents struct {
	recalled func(streams []uint32)
	pong     func()
	// descriptor is called for one that has come, unless it was looked for.
	descriptor func(stream uint32)

	stacks          func(threads map[string]string)
	metrics, memory func(report any) error
	// broken is called once, when the socket has ended or the worker broke
	// the protocol.
	broken func(err error)
}

type controlFrame struct {
	data []byte
	fd   int // to be passed along and closed; 0 for none
}

func (f *controlFrame) release() {
	if f.fd > 0 {
		unix.Close(f.fd)
		f.fd = 0
	}
}

func newControl(sock *os.File, on controlEvents) (*control, error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &control{sock: sock, raw: raw, on: on, most: maxFiles, files: make(map[uint32]*os.File)}
	c.reports.changed.L = &c.reports.mu
	return c, nil
}

// close ends the control socket, which ends the worker if it still runs.
func (c *control) close() {
	c.sock.Close()
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	for _, f := range c.files {
		f.Close()
	}
	c.closeLoose()
	c.files = nil
	if c.failed == nil {
		c.failed = os.ErrClosed
	}
}

// cancel tells the worker that a stream's client left.
func (c *control) cancel(stream uint32, hard bool) {
	var e marshal.Encoder
	e.Buf = wire.AppendFrame(nil, wire.FrameCancel, 0, stream, 0)
	e.Tuple(2)
	e.Int(int64(stream))
	e.Bool(hard)
	wire.PatchSize(e.Buf)
	c.send(controlFrame{data: e.Buf})
}

// recall asks for streams back that have not been started.
func (c *control) recall(streams []uint32) {
	var e marshal.Encoder
	e.Buf = wire.AppendFrame(nil, wire.FrameRecall, 0, 0, 0)
	e.List(len(streams))
	for _, s := range streams {
		e.Int(int64(s))
	}
	wire.PatchSize(e.Buf)
	c.recalls.Add(1)
	c.send(controlFrame{data: e.Buf})
}

// ping asks for a sign of life.
func (c *control) ping(payload [8]byte) {
	c.pings.Add(1)
	c.send(controlFrame{data: append(wire.AppendFrame(nil, wire.FramePing, 0, 0, 8), payload[:]...)})
}

// stack asks for the Python stack of a stream's call, or of all threads for 0.
func (c *control) stack(stream uint32) {
	c.stackings.Add(1)
	c.send(controlFrame{data: intFrame(wire.FrameStack, stream)})
}

// interrupt asks for an exception in the calls of streams, whose text is why; in all calls
// if there are none.
func (c *control) interrupt(streams []uint32, why string) {
	var e marshal.Encoder
	e.Buf = wire.AppendFrame(nil, wire.FrameInterrupt, 0, 0, 0)
	e.Tuple(2)
	e.List(len(streams))
	for _, s := range streams {
		e.Int(int64(s))
	}
	e.Str(why)
	wire.PatchSize(e.Buf)
	c.send(controlFrame{data: e.Buf})
}

// pass sends a copy of f's descriptor for a stream.
func (c *control) pass(stream uint32, f *os.File) error {
	fd, err := files.DuplicateFD(f)
	if err != nil {
		return err
	}
	c.passFD(stream, fd)
	return nil
}

// passFD sends a descriptor for a stream, and closes it.
func (c *control) passFD(stream uint32, fd int) {
	c.send(controlFrame{data: intFrame(wire.FrameFD, stream), fd: fd})
}

func intFrame(kind wire.FrameType, stream uint32) []byte {
	var e marshal.Encoder
	e.Buf = wire.AppendFrame(nil, kind, 0, stream, 0)
	e.Int(int64(stream))
	wire.PatchSize(e.Buf)
	return e.Buf
}

// send sends a frame or queues it behind others.
func (c *control) send(f controlFrame) {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.sendErr != nil {
		f.release()
		return
	}
	c.queue = append(c.queue, f)
	if c.sending {
		if len(c.queue) > maxControlQueue {
			c.failSending(errors.New("worker does not read its control socket"))
			go c.on.broken(c.sendErr)
		}
		return
	}
	blocked := false
	err := c.raw.Control(func(fd uintptr) { blocked = c.sendQueued(int(fd)) })
	switch {
	case err != nil:
		c.failSending(err)
	case blocked:
		c.sending = true
		go c.sendLater()
	}
}

// sendLater sends what is queued as the socket takes it.
func (c *control) sendLater() {
	err := c.raw.Write(func(fd uintptr) bool {
		c.sendMu.Lock()
		defer c.sendMu.Unlock()
		c.sending = c.sendQueued(int(fd))
		return !c.sending
	})
	if err != nil {
		c.sendMu.Lock()
		defer c.sendMu.Unlock()
		c.failSending(err)
	}
}

// sendQueued sends frames until none is left or the socket takes no more.
func (c *control) sendQueued(fd int) (blocked bool) {
	for len(c.queue) > 0 {
		f := &c.queue[0]
		var rights []byte
		if f.fd > 0 {
			rights = unix.UnixRights(f.fd)
		}
		n, err := unix.SendmsgN(fd, f.data, rights, nil, sendFlags)
		switch {
		case err == unix.EAGAIN:
			return true
		case err == unix.EINTR:
			continue
		case err != nil:
			c.failSending(os.NewSyscallError("sendmsg", err))
			return false
		}
		f.release()
		if f.data = f.data[n:]; len(f.data) == 0 {
			c.queue = c.queue[1:]
		}
	}
	c.queue = nil
	return false
}

// failSending drops what is queued: the worker is gone, or as good as gone.
func (c *control) failSending(err error) {
	if c.sendErr == nil {
		c.sendErr = err
	}
	for i := range c.queue {
		c.queue[i].release()
	}
	c.queue = nil
}
