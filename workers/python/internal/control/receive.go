//go:build unix

package control

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Read handles what the worker sends until the socket ends.
func (c *Socket) Read() {
	var cause error
	err := c.raw.Read(func(fd uintptr) bool {
		for more := true; more && cause == nil; {
			c.reports.wait(reportsHigh)
			c.recvMu.Lock() // anew for each look: others wait for a descriptor
			more, cause = c.receive(int(fd), 0)
			c.recvMu.Unlock()
		}
		return cause != nil
	})
	if cause == nil {
		cause = err
	}
	c.on.Broken(cause)
}

// File returns the descriptor that the worker sent for a stream. It was sent
// before the frame that names it, so if it has not been read, it can be now: it is in
// the socket's buffer.
func (c *Socket) File(stream uint32) (*os.File, error) {
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	if c.files[stream] == nil {
		err := c.raw.Control(func(fd uintptr) {
			if _, err := c.receive(int(fd), stream); err != nil {
				c.failed = err
			}
		})
		if err != nil {
			return nil, err
		}
	}
	f := c.files[stream]
	if f == nil {
		return nil, wire.Violation("FILE without a descriptor")
	}
	delete(c.files, stream)
	return f, nil
}

// Settle returns when all is read that the worker, which has ended, has reported.
func (c *Socket) Settle() { c.reports.wait(0) }

// ReadRest handles what a worker that ends has left.
func (c *Socket) ReadRest() {
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	// However that ends: the worker has ended.
	_ = c.raw.Control(func(fd uintptr) { _, _ = c.receive(int(fd), 0) })
}

// Drop closes the descriptor that a stream's worker may have sent in vain, and tells
// whether there was one.
func (c *Socket) Drop(stream uint32) bool {
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	f := c.files[stream]
	if f != nil {
		delete(c.files, stream)
		f.Close()
	}
	return f != nil
}

// receive reads and handles what is there: all, up to a bound, or up to the descriptor
// of the stream that is looked for, if one is. more is false when the socket has no more
// for now.
func (c *Socket) receive(fd int, looked uint32) (more bool, err error) {
	if c.failed != nil {
		return false, c.failed
	}
	var data [16 << 10]byte
	var oob [64]byte // of more descriptors than have room the system closes the rest
	for total := 0; total < maxLook; {
		n, oobn, flags, _, err := unix.Recvmsg(fd, data[:], oob[:], recvFlags)
		switch {
		case err == unix.EAGAIN:
			return false, nil
		case err == unix.EINTR:
			continue
		case err != nil:
			return false, os.NewSyscallError("recvmsg", err)
		}
		if err := c.take(data[:n], oob[:oobn], flags, looked); err != nil {
			c.closeLoose()
			return false, err
		}
		if looked != 0 && c.files[looked] != nil {
			return true, nil
		}
		total += n
	}
	return true, nil
}

// take handles what one call has received.
func (c *Socket) take(data, oob []byte, flags int, looked uint32) error {
	if err := c.takeRights(oob, flags); err != nil {
		return err
	}
	if len(data) == 0 {
		return io.EOF
	}
	c.buf = append(c.buf, data...)
	return c.parse(looked)
}

// takeRights keeps a descriptor for the FD frame that it came with. A worker that sends
// more than one at a time has none kept.
func (c *Socket) takeRights(oob []byte, flags int) error {
	if len(oob) == 0 {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	many := flags&unix.MSG_CTRUNC != 0
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // not descriptors
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			if many = many || c.loose != 0; many {
				unix.Close(fd)
				continue
			}
			c.loose = fd
		}
	}
	if many {
		return wire.Violation("more descriptors than frames")
	}
	return nil
}

func (c *Socket) closeLoose() {
	if c.loose != 0 {
		unix.Close(c.loose)
		c.loose = 0
	}
}

// parse handles the complete frames. A descriptor comes with the first byte of its FD
// frame, so it belongs to the frame that is left over, if it is one of that type.
func (c *Socket) parse(looked uint32) error {
	at := 0
	for len(c.buf)-at >= wire.HeaderLen {
		h, err := wire.ParseHeader(c.buf[at:])
		if err == nil {
			err = h.CheckSize()
		}
		if err != nil {
			return err
		}
		end := at + wire.HeaderLen + h.Size
		if len(c.buf) < end {
			break
		}
		if err := c.handle(h, c.buf[at+wire.HeaderLen:end], looked); err != nil {
			return err
		}
		at = end
	}
	c.buf = append(c.buf[:0], c.buf[at:]...)
	if rest := len(c.buf); c.loose != 0 && (rest == 0 || rest > 4 && wire.FrameType(c.buf[4]) != wire.FrameFD) {
		return wire.Violation("a descriptor without its frame")
	}
	if len(c.buf) == 0 && cap(c.buf) > maxLook {
		c.buf = nil
	}
	return nil
}

func (c *Socket) handle(h wire.FrameHeader, payload []byte, looked uint32) error {
	switch h.Kind {
	case wire.FramePong:
		if len(payload) != 8 {
			return wire.Violation("PONG is not 8 bytes")
		}
		if err := answered(&c.pings, h); err != nil {
			return err
		}
		c.on.Pong()
		return nil
	case wire.FrameStacks, wire.FrameMetrics, wire.FrameMemory, wire.FrameSources:
		if h.Kind == wire.FrameStacks {
			if err := answered(&c.stackings, h); err != nil {
				return err
			}
		}
		return c.report(h.Kind, payload)
	case wire.FrameRecalled, wire.FrameFD:
	default:
		return wire.Violation("unknown control frame")
	}
	v, err := marshal.Decode(payload)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case []any:
		if h.Kind == wire.FrameRecalled {
			return c.handleRecalled(h, v)
		}
	case int64:
		if h.Kind == wire.FrameFD && v > 0 && v <= 1<<32-1 {
			return c.handleFD(uint32(v), looked)
		}
	}
	return wire.Violation("control frame of the wrong shape")
}

// answered counts the answer to a question.
func answered(open *atomic.Int32, h wire.FrameHeader) error {
	if open.Add(-1) < 0 {
		return wire.Violation(fmt.Sprintf("frame of type %d that was not asked for", h.Kind))
	}
	return nil
}

func (c *Socket) handleRecalled(h wire.FrameHeader, list []any) error {
	streams := make([]uint32, len(list))
	for i, v := range list {
		n, ok := v.(int64)
		if !ok || n <= 0 || n > 1<<32-1 {
			return wire.Violation("RECALLED of the wrong shape")
		}
		streams[i] = uint32(n)
	}
	if err := answered(&c.recalls, h); err != nil {
		return err
	}
	c.on.Recalled(streams)
	return nil
}

func (c *Socket) handleFD(stream, looked uint32) error {
	switch {
	case c.loose == 0:
		return wire.Violation("FD without a descriptor")
	case c.files == nil:
		return os.ErrClosed
	case c.files[stream] != nil:
		return wire.Violation("two descriptors for one stream")
	case len(c.files) >= c.most:
		return wire.Violation("too many descriptors")
	}
	c.files[stream] = os.NewFile(uintptr(c.loose), "response file")
	c.loose = 0
	if stream != looked {
		c.on.Descriptor(stream)
	}
	return nil
}
