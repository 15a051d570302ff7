// Package proxyproto reads the header of the PROXY protocol, versions 1 and 2,
// with which a proxy says on whose behalf it has opened a connection. The
// protocol is HAProxy's: "The PROXY protocol, Versions 1 & 2", whose sections
// the comments name.
//
// The parser is pure: it does no I/O, and is offered all bytes from the first
// one on as they arrive.
package proxyproto

import (
	"bytes"
	"net/netip"
)

// Version is a version of the header, or a choice of them.
type Version uint8

// The versions. Any is what the first bytes say: the two cannot be confused.
const (
	V1 Version = 1 << iota
	V2
	Any = V1 | V2
)

// Header is what the proxy says.
type Header struct {
	// Version is V1 or V2.
	Version Version
	// Local says that the connection is the proxy's own, such as a health
	// check. Proxies are known to say so of clients too whose address they
	// cannot express.
	Local bool
	// Source and Destination are the ends of the client's connection to the
	// proxy. They are invalid if the proxy does not know them or they are not
	// of IP, and for Local.
	Source, Destination netip.AddrPort
}

// Fault is what is wrong with a header. It is an error.
type Fault uint8

// The faults.
const (
	// Missing: the connection does not begin with a header of a version that
	// is allowed.
	Missing Fault = iota + 1
	// Malformed: a header that breaks the format.
	Malformed
	// TooLong: a header longer than MaxSize, or a version 1 header of more
	// than 107 bytes.
	TooLong
	// Unsupported: a version, command or address family that is not defined.
	Unsupported
	// Checksum: the CRC-32C in the header is not that of the header.
	Checksum
)

// Error names the fault.
func (f Fault) Error() string {
	switch f {
	case Missing:
		return "PROXY header is missing"
	case Malformed:
		return "PROXY header is malformed"
	case TooLong:
		return "PROXY header is too long"
	case Unsupported:
		return "PROXY header is of an unknown kind"
	case Checksum:
		return "PROXY header has a wrong checksum"
	}
	return "PROXY header is refused"
}

// MaxSize is how long a header may be in bytes. The addresses take up to 232;
// the rest is for type-length-value vectors, of which proxies send few.
const MaxSize = 4 << 10

// prefixV1 and signatureV2 are how headers begin (sections 2.1 and 2.2). No
// method of HTTP is called PROXY; a request may begin with empty lines but not
// with a NUL behind them.
var (
	prefixV1    = []byte("PROXY ")
	signatureV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// Parse reads the header at the beginning of p. It returns its length, 0 if more
// bytes are needed, and a Fault as its error. p may go on behind the header.
func (v Version) Parse(p []byte) (h Header, size int, err error) {
	switch begins, more := v.Begins(p); {
	case begins == V1:
		return parseV1(p)
	case begins == V2:
		return parseV2(p)
	case more:
		return Header{}, 0, nil
	}
	return Header{}, 0, Missing
}

// Begins returns the version whose header p begins with, 0 if it is none of v's;
// more tells that the bytes are too few to say.
func (v Version) Begins(p []byte) (begins Version, more bool) {
	for _, of := range [...]struct {
		version Version
		start   []byte
	}{{V1, prefixV1}, {V2, signatureV2}} {
		if v&of.version == 0 {
			continue
		}
		if n := min(len(p), len(of.start)); bytes.Equal(p[:n], of.start[:n]) {
			if n == len(of.start) {
				return of.version, false
			}
			more = true
		}
	}
	return 0, more
}
