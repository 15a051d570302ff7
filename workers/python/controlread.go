//go:build unix

package python

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/marshal"
)

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

// readRest handles what a worker that ends has left.
func (c *control) readRest() {
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	// However that ends: the worker has ended.
	_ = c.raw.Control(func(fd uintptr) { _ = c.receive(int(fd)) })
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
	case frameRecalled, frameStacks, frameFD, frameMetrics, frameMemory:
	default:
		return violation("unknown control frame")
	}
	v, err := marshal.Decode(payload)
	if err != nil {
		return err
	}
	switch h.kind {
	case frameMetrics:
		return c.on.metrics(v)
	case frameMemory:
		return c.on.memory(v)
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
