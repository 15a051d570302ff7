package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

// FrameType is the type of a frame; the names are those of PROTOCOL.md.
type FrameType uint8

// What the front sends on the link, what a worker does, and what goes over the control
// socket.
const (
	FrameHello    FrameType = 1
	FrameRequests FrameType = 2
	FrameBody     FrameType = 3
	FrameGrant    FrameType = 4 // WINDOW, to the worker
	FrameShutdown FrameType = 5
	FrameMessages FrameType = 7
	FrameProbe    FrameType = 8
	FrameProgram  FrameType = 9
	FrameDrain    FrameType = 10

	FrameReady    FrameType = 64
	FrameFailed   FrameType = 65
	FrameAnswers  FrameType = 66
	FrameStart    FrameType = 67
	FrameData     FrameType = 68
	FrameInform   FrameType = 69
	FrameFile     FrameType = 70
	FrameTrailers FrameType = 71
	FrameWindow   FrameType = 72 // WINDOW, to the front
	FrameAbort    FrameType = 73
	FrameError    FrameType = 74
	FrameLog      FrameType = 75
	FrameDone     FrameType = 76
	FrameRetire   FrameType = 77
	FrameAccept   FrameType = 78
	FrameReceived FrameType = 79 // MESSAGES, to the front
	FrameProbed   FrameType = 80

	FrameCancel   FrameType = 128
	FrameRecall   FrameType = 129
	FrameRecalled FrameType = 130
	FramePing     FrameType = 131
	FramePong     FrameType = 132
	FrameStack    FrameType = 133
	FrameStacks   FrameType = 134
	FrameFD       FrameType = 135
	FrameStop     FrameType = 136
	FrameMetrics  FrameType = 137
	FrameMemory   FrameType = 138

	FrameInterrupt FrameType = 139
	FrameSources   FrameType = 140
)

// Flags of a frame.
const (
	FlagEnd   = 1
	FlagError = 2
	FlagLeft  = 4 // of an ABORT: the call ended early since its client has left
)

// HeaderLen is the length of a FrameHeader, in bytes.
const HeaderLen = 12

// mostPayload is the longest payload of each frame that a worker may send, in bytes; a
// type that is not here is none of its own. What a payload may expand to is bounded where
// it is read.
var mostPayload = [256]int32{
	FrameReady:    64 << 10,
	FrameFailed:   1 << 20,
	FrameAnswers:  MaxFrame,
	FrameStart:    MaxFrame, // so that a head that is too large is the application's mistake
	FrameData:     MaxFrame, // the window is less
	FrameInform:   MaxFrame,
	FrameFile:     64,
	FrameTrailers: MaxFrame,
	FrameWindow:   4,
	FrameAbort:    1 << 20,
	FrameError:    1 << 20,
	FrameLog:      1 << 20,
	FrameDone:     0,
	FrameRetire:   0,
	FrameAccept:   MaxFrame,
	FrameReceived: 4 << 20,
	FrameProbed:   0,

	FrameRecalled: 64 << 10,
	FramePong:     8,
	FrameStacks:   4 << 20,
	FrameFD:       16,
	FrameMetrics:  4 << 20,
	FrameMemory:   256 << 10,
	FrameSources:  4 << 20,
}

// MaxPayload returns how long the payload of a frame of a worker may be, in bytes.
func MaxPayload(kind FrameType) int { return int(mostPayload[kind]) }

// CheckSize refuses a frame of a worker that is longer than its type may be.
func (h *FrameHeader) CheckSize() error {
	if h.Size > MaxPayload(h.Kind) {
		return Violation(fmt.Sprintf("frame of type %d with %d bytes", h.Kind, h.Size))
	}
	return nil
}

// FrameHeader is the fixed part of a frame.
type FrameHeader struct {
	Size   int // of the payload, in bytes
	Kind   FrameType
	Flags  uint8
	Stream uint32 // 0 for the link itself
}

// ParseHeader reads a header from the first HeaderLen bytes of b.
func ParseHeader(b []byte) (FrameHeader, error) {
	_ = b[HeaderLen-1]
	h := FrameHeader{
		Kind:   FrameType(b[4]),
		Flags:  b[5],
		Stream: binary.LittleEndian.Uint32(b[8:]),
	}
	n := binary.LittleEndian.Uint32(b)
	if n > MaxFrame {
		return h, Violation("frame longer than 16 MiB")
	}
	h.Size = int(n)
	return h, nil
}

// AppendFrame appends the header of a frame with n bytes of payload.
func AppendFrame(dst []byte, kind FrameType, flags uint8, stream uint32, n int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	dst = append(dst, byte(kind), flags, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, stream)
}

// PatchSize sets the payload length of the frame that begins at b[0] and ends
// with b.
func PatchSize(b []byte) { binary.LittleEndian.PutUint32(b, uint32(len(b)-HeaderLen)) }

// ReadFrame reads exactly one frame, of a length that check agrees to.
func ReadFrame(r io.Reader, check func(*FrameHeader) error) (FrameHeader, []byte, error) {
	var head [HeaderLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return FrameHeader{}, nil, err
	}
	h, err := ParseHeader(head[:])
	if err == nil {
		err = check(&h)
	}
	if err != nil {
		return h, nil, err
	}
	payload := make([]byte, h.Size)
	_, err = io.ReadFull(r, payload)
	return h, payload, err
}

// Violation is a breach of the link's protocol by a worker. It ends the worker.
type Violation string

// Error says what was wrong.
func (v Violation) Error() string { return "worker broke the link's protocol: " + string(v) }

// IsBreach tells whether an error says that a worker sent what it may not.
func IsBreach(err error) bool {
	var v Violation
	var syntax *marshal.SyntaxError
	return errors.As(err, &v) || errors.As(err, &syntax)
}
