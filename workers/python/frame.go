package python

import (
	"encoding/binary"
	"fmt"
)

// frameType is the type of a frame; the names are those of PROTOCOL.md.
type frameType uint8

const (
	frameHello    frameType = 1
	frameRequests frameType = 2
	frameBody     frameType = 3
	frameGrant    frameType = 4 // WINDOW, to the worker
	frameShutdown frameType = 5
	frameMessages frameType = 7
	frameProbe    frameType = 8

	frameReady    frameType = 64
	frameFailed   frameType = 65
	frameAnswers  frameType = 66
	frameStart    frameType = 67
	frameData     frameType = 68
	frameInform   frameType = 69
	frameFile     frameType = 70
	frameTrailers frameType = 71
	frameWindow   frameType = 72 // WINDOW, to the front
	frameAbort    frameType = 73
	frameError    frameType = 74
	frameLog      frameType = 75
	frameDone     frameType = 76
	frameRetire   frameType = 77
	frameAccept   frameType = 78
	frameReceived frameType = 79 // MESSAGES, to the front
	frameProbed   frameType = 80

	frameCancel   frameType = 128
	frameRecall   frameType = 129
	frameRecalled frameType = 130
	framePing     frameType = 131
	framePong     frameType = 132
	frameStack    frameType = 133
	frameStacks   frameType = 134
	frameFD       frameType = 135
	frameStop     frameType = 136
	frameMetrics  frameType = 137
	frameMemory   frameType = 138

	frameInterrupt frameType = 139
)

// Flags.
const (
	flagEnd   = 1
	flagError = 2
	flagLeft  = 4 // of an ABORT: the call ended early since its client has left
)

const headerLen = 12

// mostPayload is the longest payload of each frame that a worker may send, in bytes; a
// type that is not here is none of its own. What a payload may expand to is bounded where
// it is read.
var mostPayload = [256]int32{
	frameReady:    64 << 10,
	frameFailed:   1 << 20,
	frameAnswers:  maxFrame,
	frameStart:    maxFrame, // so that a head that is too large is the application's mistake
	frameData:     maxFrame, // the window is less
	frameInform:   maxFrame,
	frameFile:     64,
	frameTrailers: maxFrame,
	frameWindow:   4,
	frameAbort:    1 << 20,
	frameError:    1 << 20,
	frameLog:      1 << 20,
	frameDone:     0,
	frameRetire:   0,
	frameAccept:   maxFrame,
	frameReceived: 4 << 20,
	frameProbed:   0,

	frameRecalled: 64 << 10,
	framePong:     8,
	frameStacks:   4 << 20,
	frameFD:       16,
	frameMetrics:  4 << 20,
	frameMemory:   256 << 10,
}

// checkSize refuses a frame of a worker that is longer than its type may be.
func (h *header) checkSize() error {
	if h.size > int(mostPayload[h.kind]) {
		return violation(fmt.Sprintf("frame of type %d with %d bytes", h.kind, h.size))
	}
	return nil
}

// header is the fixed part of a frame.
type header struct {
	size   int
	kind   frameType
	flags  uint8
	stream uint32
}

// parseHeader reads a header from the first headerLen bytes of b.
func parseHeader(b []byte) (header, error) {
	_ = b[headerLen-1]
	h := header{
		kind:   frameType(b[4]),
		flags:  b[5],
		stream: binary.LittleEndian.Uint32(b[8:]),
	}
	n := binary.LittleEndian.Uint32(b)
	if n > maxFrame {
		return h, violation("frame longer than 16 MiB")
	}
	h.size = int(n)
	return h, nil
}

// appendFrame appends the header of a frame with n bytes of payload.
func appendFrame(dst []byte, kind frameType, flags uint8, stream uint32, n int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	dst = append(dst, byte(kind), flags, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, stream)
}

// patchSize sets the payload length of the frame that begins at b[0] and ends
// with b.
func patchSize(b []byte) { binary.LittleEndian.PutUint32(b, uint32(len(b)-headerLen)) }

// violation is a breach of the link's protocol by a worker. It ends the worker.
type violation string

// Error says what was wrong.
func (v violation) Error() string { return "worker broke the link's protocol: " + string(v) }
