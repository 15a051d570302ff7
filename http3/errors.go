package http3

import (
	"errors"
	"fmt"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
)

// errorCode is a code of RFC 9114 section 8.1 or RFC 9204 section 8.3.
type errorCode uint64

const (
	codeNo                 errorCode = 0x100
	codeInternal           errorCode = 0x102
	codeStreamCreation     errorCode = 0x103
	codeClosedCritical     errorCode = 0x104
	codeFrameUnexpected    errorCode = 0x105
	codeFrame              errorCode = 0x106
	codeExcessiveLoad      errorCode = 0x107
	codeID                 errorCode = 0x108
	codeSettings           errorCode = 0x109
	codeMissingSettings    errorCode = 0x10a
	codeRequestRejected    errorCode = 0x10b
	codeRequestCancelled   errorCode = 0x10c
	codeRequestIncomplete  errorCode = 0x10d
	codeMessage            errorCode = 0x10e
	codeQPACKDecompression errorCode = 0x200
	codeQPACKEncoder       errorCode = 0x201
	codeQPACKDecoder       errorCode = 0x202
)

// codes are those that we use, with the names that the RFCs give them.
var codes = [...]struct {
	code errorCode
	name string
}{
	{codeNo, "H3_NO_ERROR"},
	{codeInternal, "H3_INTERNAL_ERROR"},
	{codeStreamCreation, "H3_STREAM_CREATION_ERROR"},
	{codeClosedCritical, "H3_CLOSED_CRITICAL_STREAM"},
	{codeFrameUnexpected, "H3_FRAME_UNEXPECTED"},
	{codeFrame, "H3_FRAME_ERROR"},
	{codeExcessiveLoad, "H3_EXCESSIVE_LOAD"},
	{codeID, "H3_ID_ERROR"},
	{codeSettings, "H3_SETTINGS_ERROR"},
	{codeMissingSettings, "H3_MISSING_SETTINGS"},
	{codeRequestRejected, "H3_REQUEST_REJECTED"},
	{codeRequestCancelled, "H3_REQUEST_CANCELLED"},
	{codeRequestIncomplete, "H3_REQUEST_INCOMPLETE"},
	{codeMessage, "H3_MESSAGE_ERROR"},
	{codeQPACKDecompression, "QPACK_DECOMPRESSION_FAILED"},
	{codeQPACKEncoder, "QPACK_ENCODER_STREAM_ERROR"},
	{codeQPACKDecoder, "QPACK_DECODER_STREAM_ERROR"},
}

// String returns the name.
func (c errorCode) String() string {
	for _, known := range &codes {
		if known.code == c {
			return known.name
		}
	}
	return fmt.Sprintf("%#x", uint64(c))
}

// connError ends the connection.
type connError struct {
	code   errorCode
	reason string
}

func (e connError) Error() string { return "HTTP/3 " + e.code.String() + ": " + e.reason }

// streamError ends one stream.
type streamError struct {
	code   errorCode
	reason string
}

func (e streamError) Error() string { return "HTTP/3 stream " + e.code.String() + ": " + e.reason }

// streamCode returns the code that err names, or otherwise.
func streamCode(err error, otherwise errorCode) errorCode {
	var one streamError
	if errors.As(err, &one) {
		return one.code
	}
	return otherwise
}

// goneCause puts QUIC's reason for an end into the words of the handler contract.
func goneCause(err error) error {
	if errors.Is(err, asteri.ErrStopping) {
		return asteri.ErrStopping
	}
	return fmt.Errorf("%w: %w", asteri.ErrClientGone, err)
}

// resetCode is how a stream ends whose response cannot be completed.
func resetCode(cause error) errorCode {
	if errors.Is(cause, asteri.ErrStopping) || errors.Is(cause, asteri.ErrClientGone) {
		return codeRequestCancelled
	}
	return codeInternal
}

// isReset tells whether err says that one side has reset a stream, and which.
func isReset(err error) (byClient, byUs bool) {
	var reset *quic.StreamError
	if !errors.As(err, &reset) {
		return false, false
	}
	return reset.Remote, !reset.Remote
}
