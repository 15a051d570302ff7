package http3

import (
	"context"
	"errors"
	"io"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/purse"
)

// maxControlFrame is the longest frame that is read on a control stream, in bytes.
const maxControlFrame = 4 << 10

// acceptUni takes the client's unidirectional streams. Three of them must be there
// once and stay; what else comes is told to stop (RFC 9114 section 6.2.3).
func (n *session) acceptUni(ctx context.Context) {
	seen := make(map[uint64]bool)
	for {
		str, err := n.conn.AcceptUniStream(ctx)
		if err != nil {
			return
		}
		kind, err := readStreamType(str)
		if err != nil {
			str.ReleaseStreamCredit()
			continue // a stream may end before its type is known
		}
		if seen[kind] && kind <= streamQPACKDecoder {
			n.fail(connError{codeStreamCreation, "stream of this type is there already"})
			return
		}
		switch kind {
		case streamControl:
			seen[kind] = true
			go n.attend(str, n.readControl)
		case streamQPACKEncoder:
			seen[kind] = true
			go n.attend(str, readEncoderStream)
		case streamQPACKDecoder:
			seen[kind] = true
			go n.attend(str, readDecoderStream)
		case streamPush:
			n.fail(connError{codeStreamCreation, "push stream from a client"})
			return
		default:
			str.CancelRead(quic.StreamErrorCode(codeStreamCreation))
			str.ReleaseStreamCredit()
		}
	}
}

// readStreamType reads the number that a unidirectional stream begins with. It
// comes in the first packet, unless the client wants to be a nuisance; then the
// stream's credit is its own loss, since it is not given back.
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
func (n *session) attend(str *quic.ReceiveStream, read func(io.Reader) error) {
	err := read(str)
	var end connError
	if !errors.As(err, &end) {
		if n.conn.Context().Err() != nil {
			return
		}
		end = connError{codeClosedCritical, "critical stream was closed"}
	}
	n.fail(end)
}

// controlReader reads frames of a control stream.
type controlReader struct {
	n    *session
	r    quicvarint.Reader
	buf  []byte
	idle purse.Purse
	last uint64 // of the client's GOAWAY
	said bool
}

// readControl reads the client's control stream.
func (n *session) readControl(r io.Reader) error {
	c := &controlReader{n: n, r: quicvarint.NewReader(r), idle: purse.New(idleFrames, now())}
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

// frame reads a frame. The payload of one that nobody knows is skipped.
func (c *controlReader) frame() (frameType, []byte, error) {
	kind, err := quicvarint.Read(c.r)
	if err != nil {
		return 0, nil, err
	}
	length, err := quicvarint.Read(c.r)
	if err != nil {
		return 0, nil, err
	}
	if !c.idle.Pay(1+float64(length)/512, now()) {
		return 0, nil, connError{codeExcessiveLoad, "too many frames that ask for nothing"}
	}
	if length > maxControlFrame {
		if isControlFrame(frameType(kind)) {
			return 0, nil, connError{codeExcessiveLoad, "frame is too long"}
		}
		_, err := io.CopyN(io.Discard, c.r, int64(length))
		return frameType(kind), nil, err
	}
	c.buf = append(c.buf[:0], make([]byte, length)...)
	_, err = io.ReadFull(c.r, c.buf)
	return frameType(kind), c.buf, err
}

func isControlFrame(t frameType) bool {
	switch t {
	case frameSettings, frameGoAway, frameMaxPushID, frameCancelPush, framePriorityUpdate:
		return true
	}
	return false
}

// handle acts on a frame behind SETTINGS.
func (c *controlReader) handle(kind frameType, p []byte) error {
	switch {
	case kind == frameData, kind == frameHeaders, kind == framePushPromise, kind == frameSettings, kind.isOld():
		return connError{codeFrameUnexpected, "frame does not belong on a control stream, or there again"}
	case kind == frameGoAway:
		return c.onGoAway(p)
	case kind == frameMaxPushID:
		_, err := parseVarint(p) // we never push
		return err
	case kind == frameCancelPush:
		if _, err := parseVarint(p); err != nil {
			return err
		}
		return connError{codeID, "CANCEL_PUSH without a push"}
	case kind == framePriorityUpdate:
		return c.onPriorityUpdate(p)
	}
	return nil
}

// onGoAway checks what a client may say about pushes, of which there are none.
func (c *controlReader) onGoAway(p []byte) error {
	id, err := parseVarint(p)
	if err != nil {
		return err
	}
	if c.said && id > c.last {
		return connError{codeID, "GOAWAY with a larger id than before"}
	}
	c.said, c.last = true, id
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
	}
	priority := httpfield.ParsePriority(p[size:], httpfield.DefaultPriority)
	c.n.at.Home.Post(func() { c.n.reprioritize(quic.StreamID(id), priority) })
	return nil
}

// readEncoderStream reads the instructions to a dynamic table that we have told the
// client has no room: only to set it to that is allowed (RFC 9204 section 4.3.1).
func readEncoderStream(r io.Reader) error {
	var b [1]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return err
		}
		if b[0] != 0x20 {
			return connError{codeQPACKEncoder, "instruction for a dynamic table"}
		}
	}
}

// readDecoderStream reads what the client says of the header sections that it got.
// None of them has referred to a dynamic table, so that there is nothing to
// acknowledge; a stream may be cancelled (section 4.4.2).
func readDecoderStream(r io.Reader) error {
	var b [1]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return err
		}
		if b[0]>>6 != 0b01 {
			return connError{codeQPACKDecoder, "acknowledgement of what was not sent"}
		}
		for more := b[0]&0x3f == 0x3f; more; more = b[0]&0x80 != 0 {
			if _, err := io.ReadFull(r, b[:]); err != nil {
				return err
			}
		}
	}
}
