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

// connError ends the connection.
type connError struct {
	code   errorCode
	reason string
}

func (e connError) Error() string {
	return fmt.Sprintf("HTTP/3 error %#x: %s", uint64(e.code), e.reason)
}

// streamError ends one stream.
type streamError struct {
	code   errorCode
	reason string
}

func (e streamError) Error() string {
	return fmt.Sprintf("HTTP/3 stream error %#x: %s", uint64(e.code), e.reason)
}

// streamCode returns the code that err names, or otherwise.
func streamCode(err error, otherwise errorCode) quic.StreamErrorCode {
	var one streamError
	if errors.As(err, &one) {
		return quic.StreamErrorCode(one.code)
	}
	return quic.StreamErrorCode(otherwise)
}

// goneCause puts QUIC's reason for an end into the words of the handler contract.
func goneCause(err error) error {
	if errors.Is(err, asteri.ErrStopping) {
		return asteri.ErrStopping
	}
	return fmt.Errorf("%w: %w", asteri.ErrClientGone, err)
}

// resetCode is how a stream ends whose response has begun and cannot be completed.
func resetCode(cause error) quic.StreamErrorCode {
	if errors.Is(cause, asteri.ErrStopping) {
		return quic.StreamErrorCode(codeRequestCancelled)
	}
	return quic.StreamErrorCode(codeInternal)
}
