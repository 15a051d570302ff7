//go:build unix

package control

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Bounds of the control socket.
const (
	// maxQueue is how many frames may wait for a worker that does not
	// read. Its control thread does nothing else, so such a worker is lost.
	maxQueue = 1 << 15
	// maxFiles bounds the descriptors that a worker has sent and no FILE
	// frame has claimed; there are no more than it has calls either.
	maxFiles = 1 << 10
	// maxLook is how much of what a worker has sent is read in one go, in
	// bytes, with the mutex held. It is more than the socket's buffer holds.
	maxLook = 1 << 20
)

// Socket is the front's end of descriptor 4. Its methods may be called from any
// goroutine and never block: frames are sent at once if the socket takes them,
// else by a goroutine that waits for it.
type Socket struct {
	sock *os.File
	raw  syscall.RawConn
	on   Events

	sendMu  sync.Mutex
	queue   []queuedFrame
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

// Events take what the worker sends. The first group is called on the goroutine
// that reads, or by whoever looks for a descriptor, and must not block. The second is
// called on a goroutine of its own; its errors end the worker.
type Events struct {
	Recalled func(streams []uint32)
	Pong     func()
	// Descriptor is called for one that has come, unless it was looked for.
	Descriptor func(stream uint32)

	Stacks                   func(threads map[string]string)
	Metrics, Memory, Sources func(told any) error
	// Broken is called once, when the socket has ended or the worker broke
	// the protocol.
	Broken func(err error)
}

type queuedFrame struct {
	data []byte
	fd   int // to be passed along and closed; 0 for none
}

func (f *queuedFrame) release() {
	if f.fd > 0 {
		unix.Close(f.fd)
		f.fd = 0
	}
}

// New makes the front's end of a socket of its own.
func New(sock *os.File, on Events) (*Socket, error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Socket{sock: sock, raw: raw, on: on, most: maxFiles, files: make(map[uint32]*os.File)}
	c.reports.changed.L = &c.reports.mu
	return c, nil
}

// Limit bounds the descriptors that wait: there are no more than the worker has calls.
func (c *Socket) Limit(calls int) { c.most = min(calls, maxFiles) }

// Close ends the control socket, which ends the worker if it still runs.
func (c *Socket) Close() {
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

// Cancel tells the worker that a stream's client left.
func (c *Socket) Cancel(stream uint32, hard bool) {
	var e marshal.Encoder
	e.Buf = wire.AppendFrame(nil, wire.FrameCancel, 0, stream, 0)
	e.Tuple(2)
	e.Int(int64(stream))
	e.Bool(hard)
	wire.PatchSize(e.Buf)
	c.send(queuedFrame{data: e.Buf})
}

// Recall asks for streams back that have not been started.
func (c *Socket) Recall(streams []uint32) {
	var e marshal.Encoder
	e.Buf = wire.AppendFrame(nil, wire.FrameRecall, 0, 0, 0)
	e.List(len(streams))
	for _, s := range streams {
		e.Int(int64(s))
	}
	wire.PatchSize(e.Buf)
	c.recalls.Add(1)
	c.send(queuedFrame{data: e.Buf})
}

// Ping asks for a sign of life.
func (c *Socket) Ping(payload [8]byte) {
	c.pings.Add(1)
	c.send(queuedFrame{data: append(wire.AppendFrame(nil, wire.FramePing, 0, 0, 8), payload[:]...)})
}

// Stack asks for the Python stack of a stream's call, or of all threads for 0.
func (c *Socket) Stack(stream uint32) {
	c.stackings.Add(1)
	c.send(queuedFrame{data: intFrame(wire.FrameStack, stream)})
}

// Interrupt asks for an exception in the calls of streams, whose text is why; in all calls
// if there are none.
func (c *Socket) Interrupt(streams []uint32, why string) {
	var e marshal.Encoder
	e.Buf = wire.AppendFrame(nil, wire.FrameInterrupt, 0, 0, 0)
	e.Tuple(2)
	e.List(len(streams))
	for _, s := range streams {
		e.Int(int64(s))
	}
	e.Str(why)
	wire.PatchSize(e.Buf)
	c.send(queuedFrame{data: e.Buf})
}

// Pass sends a copy of f's descriptor for a stream.
func (c *Socket) Pass(stream uint32, f *os.File) error {
	fd, err := descriptors.DuplicateFD(f)
	if err != nil {
		return err
	}
	c.PassFD(stream, fd)
	return nil
}

// PassFD sends a descriptor for a stream, and closes it.
func (c *Socket) PassFD(stream uint32, fd int) {
	c.send(queuedFrame{data: intFrame(wire.FrameFD, stream), fd: fd})
}

func intFrame(kind wire.FrameType, stream uint32) []byte {
	var e marshal.Encoder
	e.Buf = wire.AppendFrame(nil, kind, 0, stream, 0)
	e.Int(int64(stream))
	wire.PatchSize(e.Buf)
	return e.Buf
}

// send sends a frame or queues it behind others.
func (c *Socket) send(f queuedFrame) {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.sendErr != nil {
		f.release()
		return
	}
	c.queue = append(c.queue, f)
	if c.sending {
		if len(c.queue) > maxQueue {
			c.failSending(errors.New("worker does not read its control socket"))
			go c.on.Broken(c.sendErr)
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
func (c *Socket) sendLater() {
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
func (c *Socket) sendQueued(fd int) (blocked bool) {
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
func (c *Socket) failSending(err error) {
	if c.sendErr == nil {
		c.sendErr = err
	}
	for i := range c.queue {
		c.queue[i].release()
	}
	c.queue = nil
}
