package http3

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/asteri/asteri-loop/internal/bounds/tokenbucket"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// maxControlFrame is the longest frame that is read on a control stream, in bytes.
const maxControlFrame = 4 << 10

// acceptUni takes the client's unidirectional streams. Three of them must be there
// once and stay; what else comes is told to stop (RFC 9114 section 6.2.3).
func (n *session) acceptUni(ctx context.Context) {
	var seen [streamQPACKDecoder + 1]bool
	idle := tokenbucket.New(idleFrames, now())
	for {
		str, err := n.conn.AcceptUniStream(ctx)
		if err != nil {
			return
		}
		kind, err := readStreamType(str)
		read := n.readerFor(kind)
		switch {
		case err != nil: // a stream may end before its type is known
			str.ReleaseStreamCredit()
		case kind == streamPush:
			n.fail(connError{codeStreamCreation, "push stream from a client"})
			return
		case read == nil:
			str.CancelRead(quic.StreamErrorCode(codeStreamCreation))
			str.ReleaseStreamCredit()
		case seen[kind]:
			n.fail(connError{codeStreamCreation, "stream of this type is there already"})
			return
		default:
			seen[kind] = true
			go n.attend(str, read)
			continue
		}
		if !idle.Take(1, now()) {
			n.fail(connError{codeExcessiveLoad, "too many streams of unknown types"})
			return
		}
	}
}

// readerFor returns who reads a stream of a type, nil if nobody does.
func (n *session) readerFor(kind uint64) func(*bufio.Reader) error {
	switch kind {
	case streamControl:
		return n.readControl
	case streamQPACKEncoder:
		return readEncoderStream
	case streamQPACKDecoder:
		return readDecoderStream
	}
	return nil
}

// readStreamType reads the number that a unidirectional stream begins with. It
// comes in the first packet, unless the client wants to be a nuisance: then its
// further streams wait too.
func readStreamType(r io.Reader) (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return 0, err
	}
	size := 1 << (b[0] >> 6) // RFC 9000 section 16
	if _, err := io.ReadFull(r, b[1:size]); err != nil {
		return 0, err
	}
	kind, _, err := quicvarint.Parse(b[:size])
	return kind, err
}

// attend reads a stream that may not end while the connection lives.
func (n *session) attend(str *quic.ReceiveStream, read func(*bufio.Reader) error) {
	err := read(bufio.NewReaderSize(str, attendBuffer))
	var end connError
	if !errors.As(err, &end) {
		var reset *quic.StreamError
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &reset) {
			return // the connection has ended, which its context tells later than its streams
		}
		end = connError{codeClosedCritical, "critical stream was closed"}
	}
	n.fail(end)
}

// attendBuffer is for a few frames or instructions.
const attendBuffer = 256

// controlReader reads frames of a control stream.
type controlReader struct {
	n    *session
	r    *bufio.Reader
	buf  []byte
	idle tokenbucket.Bucket
	bye  uint64 // of the client's GOAWAY
	said bool
	push uint64 // of its MAX_PUSH_ID
}

// readControl reads the client's control stream.
func (n *session) readControl(r *bufio.Reader) error {
	c := &controlReader{n: n, r: r, idle: tokenbucket.New(idleFrames, now())}
	kind, p, err := c.frame()
	switch {
	case err != nil:
		return err
	case kind != frameSettings:
		return connError{codeMissingSettings, "control stream does not begin with SETTINGS"}
	}
	if err := checkSettings(p); err != nil {
		return err
	}
	for {
		kind, p, err := c.frame()
		if err == nil {
			err = c.handle(kind, p)
		}
		if err != nil {
			return err
		}
	}
}

// frame reads a frame, of whose payload nothing is kept if nobody knows the type.
func (c *controlReader) frame() (frameType, []byte, error) {
	kind, err := quicvarint.Read(c.r)
	if err != nil {
		return 0, nil, err
	}
	length, err := quicvarint.Read(c.r)
	if err != nil {
		return 0, nil, err
	}
	if !c.idle.Take(1+float64(length)/512, now()) {
		return 0, nil, connError{codeExcessiveLoad, "too many frames that ask for nothing"}
	}
	t := frameType(kind)
	if !t.isKnown() {
		_, err := io.CopyN(io.Discard, c.r, int64(length))
		return t, nil, err
	}
	if length > maxControlFrame {
		return t, nil, connError{codeExcessiveLoad, "frame is too long"}
	}
	c.buf = slices.Grow(c.buf[:0], int(length))[:length]
	_, err = io.ReadFull(c.r, c.buf)
	return t, c.buf, err
}

// handle acts on a frame behind SETTINGS.
func (c *controlReader) handle(kind frameType, p []byte) error {
	switch kind {
	case frameData, frameHeaders, framePushPromise:
		return connError{codeFrameUnexpected, kind.String() + " on a control stream"}
	case frameSettings:
		return connError{codeFrameUnexpected, "SETTINGS again"}
	case frameGoAway:
		return c.onGoAway(p)
	case frameMaxPushID:
		return c.onMaxPushID(p)
	case frameCancelPush:
		if _, err := parseVarint(p); err != nil {
			return err
		}
		return connError{codeID, "CANCEL_PUSH without a push"}
	case framePriorityUpdate:
		return c.onPriorityUpdate(p)
	case framePriorityPush:
		return connError{codeID, "PRIORITY_UPDATE for a push that was not promised"}
	}
	if kind.isOld() {
		return errOldFrame
	}
	return nil
}

// onGoAway checks what a client may say about pushes, of which there are none.
func (c *controlReader) onGoAway(p []byte) error {
	id, err := parseVarint(p)
	if err != nil {
		return err
	}
	if c.said && id > c.bye {
		return connError{codeID, "GOAWAY with a larger id than before"}
	}
	c.said, c.bye = true, id
	return nil
}

// onMaxPushID checks a number that must not go down (RFC 9114 section 7.2.7). We never
// push.
func (c *controlReader) onMaxPushID(p []byte) error {
	id, err := parseVarint(p)
	if err != nil {
		return err
	}
	if id < c.push {
		return connError{codeID, "MAX_PUSH_ID with a smaller id than before"}
	}
	c.push = id
	return nil
}

// onPriorityUpdate passes on what RFC 9218 section 7.2 describes.
func (c *controlReader) onPriorityUpdate(p []byte) error {
	id, size, err := quicvarint.Parse(p)
	switch {
	case err != nil:
		return connError{codeFrame, "PRIORITY_UPDATE without an id"}
	case id%4 != 0:
		return connError{codeID, "PRIORITY_UPDATE for something other than a request"}
	case id >= c.n.farStream():
		return connError{codeID, "PRIORITY_UPDATE for a stream beyond the limit"}
	}
	priority := httpfield.ParsePriority(p[size:], httpfield.DefaultPriority)
	c.n.at.Home.Post(func() { c.n.reprioritize(quic.StreamID(id), priority) })
	return nil
}

// farStream returns an id that the client certainly may not use yet. Of what QUIC has
// granted we know only that it is no more than the limit, beyond streams that are no
// more than the limit ahead of those that it has handed to us.
func (n *session) farStream() uint64 {
	return n.accepted.Load() + 2*4*uint64(n.server.cfg.MaxConcurrentStreams)
}

// readEncoderStream reads the instructions to a dynamic table that we have told the
// client has no room: only to set it to that is allowed (RFC 9204 section 4.3.1).
func readEncoderStream(r *bufio.Reader) error {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b != 0x20 {
			return connError{codeQPACKEncoder, "instruction for a dynamic table"}
		}
	}
}

// readDecoderStream reads what the client says of the header sections that it got.
// None of them has referred to a dynamic table, so that there is nothing to
// acknowledge; a stream may be cancelled (section 4.4.2).
func readDecoderStream(r *bufio.Reader) error {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b>>6 != 0b01 {
			return connError{codeQPACKDecoder, "acknowledgement of what was not sent"}
		}
		for more := b&0x3f == 0x3f; more; more = b&0x80 != 0 {
			if b, err = r.ReadByte(); err != nil {
				return err
			}
		}
	}
}
