package http2

import "encoding/binary"

// frameType is the type of a frame, RFC 9113 section 6.
type frameType uint8

const (
	frameData           frameType = 0x0
	frameHeaders        frameType = 0x1
	framePriority       frameType = 0x2
	frameRSTStream      frameType = 0x3
	frameSettings       frameType = 0x4
	framePushPromise    frameType = 0x5
	framePing           frameType = 0x6
	frameGoAway         frameType = 0x7
	frameWindowUpdate   frameType = 0x8
	frameContinuation   frameType = 0x9
	framePriorityUpdate frameType = 0x10 // RFC 9218 section 7.1
)

// The flags of frames.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	frameHeaderLen  = 9
	minMaxFrameSize = 1 << 14 // SETTINGS_MAX_FRAME_SIZE, RFC 9113 section 6.5.2
	maxMaxFrameSize = 1<<24 - 1
	maxWindow       = 1<<31 - 1
	defaultWindow   = 1<<16 - 1
	streamMask      = 1<<31 - 1
)

// preface is what a client sends first, RFC 9113 section 3.4.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frameHeader is the head of a frame, RFC 9113 section 4.1.
type frameHeader struct {
	length int
	kind   frameType
	flags  uint8
	stream uint32
}

func (h frameHeader) has(flag uint8) bool { return h.flags&flag != 0 }

// parseFrameHeader reads the first frameHeaderLen bytes of p.
func parseFrameHeader(p []byte) frameHeader {
	_ = p[frameHeaderLen-1]
	return frameHeader{
		length: int(p[0])<<16 | int(p[1])<<8 | int(p[2]),
		kind:   frameType(p[3]),
		flags:  p[4],
		stream: binary.BigEndian.Uint32(p[5:]) & streamMask,
	}
}

// unpad returns the payload of a frame without its padding.
func (h frameHeader) unpad(p []byte) ([]byte, error) {
	if !h.has(flagPadded) {
		return p, nil
	}
	if len(p) == 0 {
		return nil, connError{codeFrameSize, "frame is too short for its padding"}
	}
	n := int(p[0])
	if p = p[1:]; n > len(p) {
		return nil, connError{codeProtocol, "padding is longer than its frame"}
	}
	return p[:len(p)-n], nil
}

func appendFrameHeader(b []byte, length int, kind frameType, flags uint8, stream uint32) []byte {
	return append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

// setLength writes the length of the frame whose header begins at from and which
// ends with b.
func setLength(b []byte, from int) {
	n := len(b) - from - frameHeaderLen
	b[from], b[from+1], b[from+2] = byte(n>>16), byte(n>>8), byte(n)
}

func appendWindowUpdate(b []byte, stream uint32, n int) []byte {
	b = appendFrameHeader(b, 4, frameWindowUpdate, 0, stream)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func appendRSTStream(b []byte, stream uint32, code errorCode) []byte {
	b = appendFrameHeader(b, 4, frameRSTStream, 0, stream)
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

func appendGoAway(b []byte, last uint32, code errorCode, reason string) []byte {
	b = appendFrameHeader(b, 8+len(reason), frameGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, last)
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	return append(b, reason...)
}

func appendPing(b []byte, flags uint8, data []byte) []byte {
	b = appendFrameHeader(b, 8, framePing, flags, 0)
	return append(b, data...)
}
