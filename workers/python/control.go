//go:build unix

package python

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/marshal"
)

// Bounds of the control socket.
const (
	// maxControlFrame bounds what a worker sends at once: the stacks of all
	// its threads.
	maxControlFrame = 4 << 20
	// maxControlQueue is how many frames may wait for a worker that does not
	// read. Its control thread does nothing else, so such a worker is lost.
	maxControlQueue = 1 << 15
	// maxFiles bounds the descriptors that a worker has sent and no FILE
	// frame has claimed.
	maxFiles = 1 << 10
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

	recvMu sync.Mutex
	buf    []byte // received and not yet parsed
	loose  []int  // descriptors whose FD frame is not complete yet
	files  map[uint32]*os.File
	failed error
}

// controlEvents take what the worker sends. They are called on the goroutine that
// reads, or by whoever looks for a descriptor, and must not block.
type controlEvents struct {
	recalled func(streams []uint32)
	pong     func(payload []byte)
	stacks   func(stream uint32, threads map[string]any)
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
	return &control{sock: sock, raw: raw, on: on, files: make(map[uint32]*os.File)}, nil
}

// close ends the control socket, which ends the worker if it still runs.
func (c *control) close() {
	c.sock.Close()
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	for _, f := range c.files {
		f.Close()
	}
	for _, fd := range c.loose {
		unix.Close(fd)
	}
	c.files, c.loose = nil, nil
	if c.failed == nil {
		c.failed = os.ErrClosed
	}
}

// cancel tells the worker that a stream's client left.
func (c *control) cancel(stream uint32, hard bool) {
	var e marshal.Encoder
	e.Buf = appendFrame(nil, frameCancel, 0, stream, 0)
	e.Tuple(2)
	e.Int(int64(stream))
	e.Bool(hard)
	patchSize(e.Buf)
	c.send(controlFrame{data: e.Buf})
}

// recall asks for streams back that have not been started.
func (c *control) recall(streams []uint32) {
	var e marshal.Encoder
	e.Buf = appendFrame(nil, frameRecall, 0, 0, 0)
	e.List(len(streams))
	for _, s := range streams {
		e.Int(int64(s))
	}
	patchSize(e.Buf)
	c.send(controlFrame{data: e.Buf})
}

// ping asks for a sign of life.
func (c *control) ping(payload [8]byte) {
	c.send(controlFrame{data: append(appendFrame(nil, framePing, 0, 0, 8), payload[:]...)})
}

// stack asks for the Python stack of a stream's call, or of all threads for 0.
func (c *control) stack(stream uint32) {
	c.send(controlFrame{data: intFrame(frameStack, stream)})
}

// pass sends a copy of f's descriptor for a stream.
func (c *control) pass(stream uint32, f *os.File) error {
	fd, err := dupFD(f)
	if err != nil {
		return err
	}
	c.send(controlFrame{data: intFrame(frameFD, stream), fd: fd})
	return nil
}

func intFrame(kind frameType, stream uint32) []byte {
	var e marshal.Encoder
	e.Buf = appendFrame(nil, kind, 0, stream, 0)
	e.Int(int64(stream))
	patchSize(e.Buf)
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

// read handles what the worker sends until the socket ends.
func (c *control) read() {
	var cause error
	err := c.raw.Read(func(fd uintptr) bool {
		c.recvMu.Lock()
		defer c.recvMu.Unlock()
		cause = c.receive(int(fd))
		return cause != nil
	})
	if cause == nil {
		cause = err
	}
	c.on.broken(cause)
}

// file returns the descriptor that the worker sent for a stream. It was sent
// before the frame that names it, so if it has not been read, it can be now.
func (c *control) file(stream uint32) (*os.File, error) {
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	if f := c.files[stream]; f != nil {
		delete(c.files, stream)
		return f, nil
	}
	if err := c.raw.Control(func(fd uintptr) { c.failed = c.receive(int(fd)) }); err != nil {
		return nil, err
	}
	f := c.files[stream]
	if f == nil {
		return nil, violation("FILE without a descriptor")
	}
	delete(c.files, stream)
	return f, nil
}

// drop closes the descriptor that a stream's worker may have sent in vain.
func (c *control) drop(stream uint32) {
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	if f := c.files[stream]; f != nil {
		delete(c.files, stream)
		f.Close()
	}
}

// receive reads and handles all that is there. It returns nil when the socket has
// no more for now.
func (c *control) receive(fd int) error {
	if c.failed != nil {
		return c.failed
	}
	var data [16 << 10]byte
	var oob [256]byte
	for {
		n, oobn, flags, _, err := unix.Recvmsg(fd, data[:], oob[:], recvFlags)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
			continue
		case err != nil:
			return os.NewSyscallError("recvmsg", err)
		case flags&unix.MSG_CTRUNC != 0:
			return violation("more descriptors than frames")
		}
		if err := c.takeRights(oob[:oobn]); err != nil {
			return err
		}
		if n == 0 {
			return io.EOF
		}
		c.buf = append(c.buf, data[:n]...)
		if err := c.parse(); err != nil {
			return err
		}
	}
}

func (c *control) takeRights(oob []byte) error {
	if len(oob) == 0 {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // not descriptors
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			c.loose = append(c.loose, fd)
		}
	}
	return nil
}

func (c *control) parse() error {
	for len(c.buf) >= headerLen {
		h, err := parseHeader(c.buf)
		if err != nil {
			return err
		}
		if h.size > maxControlFrame {
			return violation("control frame too long")
		}
		if len(c.buf) < headerLen+h.size {
			return nil
		}
		if err := c.handle(h, c.buf[headerLen:headerLen+h.size]); err != nil {
			return err
		}
		c.buf = append(c.buf[:0], c.buf[headerLen+h.size:]...)
	}
	return nil
}

func (c *control) handle(h header, payload []byte) error {
	switch h.kind {
	case framePong:
		c.on.pong(payload)
		return nil
	case frameRecalled, frameStacks, frameFD:
	default:
		return violation("unknown control frame")
	}
	v, err := marshal.Decode(payload)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case []any:
		return c.handleRecalled(h, v)
	case map[string]any:
		if h.kind == frameStacks {
			c.on.stacks(h.stream, v)
			return nil
		}
	case int64:
		if h.kind == frameFD && v > 0 && v <= 1<<32-1 {
			return c.handleFD(uint32(v))
		}
	}
	return violation("control frame of the wrong shape")
}

func (c *control) handleRecalled(h header, list []any) error {
	streams := make([]uint32, len(list))
	for i, v := range list {
		n, ok := v.(int64)
		if h.kind != frameRecalled || !ok || n <= 0 || n > 1<<32-1 {
			return violation("RECALLED of the wrong shape")
		}
		streams[i] = uint32(n)
	}
	c.on.recalled(streams)
	return nil
}

func (c *control) handleFD(stream uint32) error {
	switch {
	case len(c.loose) == 0:
		return violation("FD without a descriptor")
	case c.files[stream] != nil:
		return violation("two descriptors for one stream")
	case len(c.files) >= maxFiles:
		return violation("too many descriptors")
	case c.files == nil:
		return os.ErrClosed
	}
	c.files[stream] = os.NewFile(uintptr(c.loose[0]), "response file")
	c.loose = append(c.loose[:0], c.loose[1:]...)
	return nil
}
