package handover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// kind is what a message is about.
type kind byte

const (
	hello kind = iota + 1
	offer
	descriptors
	ready
	failed
	take
	taken
	totals
	ask
	answer
)

// Bounds.
const (
	// maxMessage is the length of a message, in bytes: totals have a bound for each
	// of their lists.
	maxMessage = 64 << 20
	// batch is how many descriptors go in a message: systems allow 253 at least.
	batch = 128
	// maxDescriptors is how many there may be in all.
	maxDescriptors = 1 << 14
	// patience is how long the other end may take for what takes no time.
	patience = 10 * time.Second

	headSize = 5
)

// message is one of those in doc.go. Its descriptors are the receiver's to close.
type message struct {
	kind kind
	data []byte
	fds  []int
}

// errProtocol says that the other end is none of ours, or of a version that is too
// different.
var errProtocol = errors.New("it does not speak as this server does")

// talk is one end of the socket.
type talk struct{ *net.UnixConn }

// newTalk takes over a descriptor of a stream socket.
func newTalk(f *os.File) (talk, error) {
	c, err := net.FileConn(f) // which has a descriptor of its own
	_ = f.Close()
	if err != nil {
		return talk{}, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return talk{}, errors.Join(errProtocol, c.Close())
	}
	return talk{u}, nil
}

// send sends a message. It does not wait for longer than patience. One goroutine may
// call it at a time.
func (c talk) send(m message) error {
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	head := make([]byte, headSize, headSize+len(m.data))
	head[0] = byte(m.kind)
	binary.BigEndian.PutUint32(head[1:], uint32(len(m.data)))
	var rights []byte
	if len(m.fds) > 0 {
		rights = unix.UnixRights(m.fds...)
	}
	// The rights go with the head: who reads that gets them.
	if _, _, err := c.WriteMsgUnix(head, rights, nil); err != nil {
		return err
	}
	if len(m.data) == 0 {
		return nil
	}
	_, err := c.Write(m.data)
	return err
}

// receive returns the next message; io.EOF if the other end has none any more.
func (c talk) receive() (message, error) {
	head := make([]byte, headSize)
	rights := make([]byte, unix.CmsgSpace(4*batch))
	n, oobn, _, _, err := c.ReadMsgUnix(head, rights)
	if err != nil {
		return message{}, err
	}
	if n == 0 {
		return message{}, io.EOF
	}
	m := message{}
	if m.fds, err = parseRights(rights[:oobn]); err != nil {
		return message{}, err
	}
	if _, err = io.ReadFull(c, head[n:]); err != nil {
		return message{}, errors.Join(err, closeAll(m.fds))
	}
	m.kind = kind(head[0])
	size := binary.BigEndian.Uint32(head[1:])
	if m.kind < hello || m.kind > answer || size > maxMessage {
		return message{}, errors.Join(errProtocol, closeAll(m.fds))
	}
	m.data = make([]byte, size)
	if _, err = io.ReadFull(c, m.data); err != nil {
		return message{}, errors.Join(err, closeAll(m.fds))
	}
	return m, nil
}

// expect receives a message of a kind within a time.
func (c talk) expect(k kind, within time.Duration) (message, error) {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return message{}, err
	}
	m, err := c.receive()
	if err == nil && m.kind != k {
		err = errors.Join(fmt.Errorf("%w: message %d in place of %d", errProtocol, m.kind, k), closeAll(m.fds))
	}
	return m, err
}

func parseRights(oob []byte) (fds []int, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		more, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, errors.Join(err, closeAll(fds))
		}
		fds = append(fds, more...)
	}
	return fds, nil
}

func closeAll(fds []int) (err error) {
	for _, fd := range fds {
		err = errors.Join(err, unix.Close(fd))
	}
	return err
}
