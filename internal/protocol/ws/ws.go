// Package ws is the wire format of WebSocket, RFC 6455, and of its compression
// extension, RFC 7692: frames, messages, close codes, permessage-deflate. It
// does no I/O and knows no connection: a Decoder takes bytes as they come, cut
// anywhere, and an Encoder makes bytes to be sent.
package ws

// Opcode is the type of a frame, RFC 6455 section 11.8.
type Opcode uint8

// The opcodes.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

func (o Opcode) isControl() bool { return o&0x8 != 0 }

// Code is why a connection is closed, RFC 6455 section 7.4 and the registry that
// it founded.
type Code uint16

// The codes.
const (
	NormalClosure      Code = 1000
	GoingAway          Code = 1001
	ProtocolError      Code = 1002
	UnsupportedData    Code = 1003
	NoStatus           Code = 1005 // of a Close frame without a code; never sent
	Abnormal           Code = 1006 // of a connection that ended without a Close frame; never sent
	InvalidPayload     Code = 1007
	PolicyViolation    Code = 1008
	MessageTooBig      Code = 1009
	MandatoryExtension Code = 1010
	InternalError      Code = 1011
	ServiceRestart     Code = 1012
	TryAgainLater      Code = 1013
	BadGateway         Code = 1014
)

// Valid tells whether c may stand in a Close frame: a registered code, or one
// of those left to libraries and applications (section 7.4.2).
func (c Code) Valid() bool {
	switch {
	case c >= 3000:
		return c <= 4999
	case c < 1000 || c > BadGateway:
		return false
	}
	return c != 1004 && c != NoStatus && c != Abnormal
}

// MaxControl is the greatest payload of a control frame, section 5.5.
const MaxControl = 125

// MaxReason is the greatest length of a close reason in bytes.
const MaxReason = MaxControl - 2

// Error is a breach of the protocol by the peer. The connection is to be failed
// with its code (section 7.1.7).
type Error struct {
	Code Code
	// Reason says in a few fixed words what was wrong: it is for counters and
	// logs, and goes into the Close frame.
	Reason string
}

// Error returns the reason.
func (e *Error) Error() string { return "websocket: " + e.Reason }

func breach(reason string) *Error { return &Error{ProtocolError, reason} }

var (
	errReserved      = breach("reserved bit is set")
	errOpcode        = breach("unknown opcode")
	errUnmasked      = breach("frame is not masked")
	errMasked        = breach("frame is masked")
	errLength        = breach("length is not encoded as it should be")
	errControl       = breach("control frame is fragmented or too long")
	errContinuation  = breach("continuation of nothing")
	errInterleaved   = breach("message within a message")
	errClosePayload  = breach("close frame of one byte")
	errCloseCode     = breach("close code that may not be sent")
	errText          = &Error{InvalidPayload, "text is not UTF-8"}
	errCloseReason   = &Error{InvalidPayload, "close reason is not UTF-8"}
	errDeflated      = &Error{InvalidPayload, "compressed data is corrupt"}
	errMessageTooBig = &Error{MessageTooBig, "message is too big"}
)
