package http2

import "strconv"

// errorCode is the code of a GOAWAY or RST_STREAM frame, RFC 9113 section 7.
type errorCode uint32

const (
	codeNo              errorCode = 0x0
	codeProtocol        errorCode = 0x1
	codeInternal        errorCode = 0x2
	codeFlowControl     errorCode = 0x3
	codeSettingsTimeout errorCode = 0x4
	codeStreamClosed    errorCode = 0x5
	codeFrameSize       errorCode = 0x6
	codeRefusedStream   errorCode = 0x7
	codeCancel          errorCode = 0x8
	codeCompression     errorCode = 0x9
	codeEnhanceYourCalm errorCode = 0xb
)

var codeNames = map[errorCode]string{
	codeNo: "NO_ERROR", codeProtocol: "PROTOCOL_ERROR", codeInternal: "INTERNAL_ERROR",
	codeFlowControl: "FLOW_CONTROL_ERROR", codeSettingsTimeout: "SETTINGS_TIMEOUT",
	codeStreamClosed: "STREAM_CLOSED", codeFrameSize: "FRAME_SIZE_ERROR",
	codeRefusedStream: "REFUSED_STREAM", codeCancel: "CANCEL", codeCompression: "COMPRESSION_ERROR",
	codeEnhanceYourCalm: "ENHANCE_YOUR_CALM",
}

func (c errorCode) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return "error code 0x" + strconv.FormatUint(uint64(c), 16)
}

// connError ends the connection with GOAWAY.
type connError struct {
	code   errorCode
	reason string
}

func (e connError) Error() string { return "HTTP/2 connection: " + e.code.String() + ": " + e.reason }

// streamError ends one stream with RST_STREAM.
type streamError struct {
	stream uint32
	code   errorCode
	reason string
}

func (e streamError) Error() string {
	return "HTTP/2 stream " + strconv.FormatUint(uint64(e.stream), 10) + ": " + e.code.String() + ": " + e.reason
}

// errCalm is the end of a connection that makes work and asks for nothing.
func errCalm(reason string) error { return connError{codeEnhanceYourCalm, reason} }
