package trace

import (
	"encoding/hex"

	"github.com/asteri/asteri-loop"
)

// Fields of W3C Trace Context.
const (
	nameParent = "traceparent"
	nameState  = "tracestate"
)

// parent is what a traceparent says.
type parent struct {
	traceID [16]byte
	spanID  [8]byte
	sampled bool
}

const (
	parentLength = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	flagSampled  = 1
)

// parseParent reads a traceparent (W3C Trace Context section 3.2.2). A later version
// may have more behind what this one has.
func parseParent(p []byte) (c parent, ok bool) {
	if len(p) < parentLength || p[2] != '-' || p[35] != '-' || p[52] != '-' {
		return c, false
	}
	var version, flags [1]byte
	if !unhex(version[:], p[:2]) || !unhex(c.traceID[:], p[3:35]) || !unhex(c.spanID[:], p[36:52]) || !unhex(flags[:], p[53:55]) {
		return c, false
	}
	switch {
	case version[0] == 0xff:
		return c, false
	case version[0] == 0 && len(p) != parentLength:
		return c, false
	case len(p) > parentLength && p[parentLength] != '-':
		return c, false
	}
	c.sampled = flags[0]&flagSampled != 0
	return c, c.traceID != [16]byte{} && c.spanID != [8]byte{}
}

// unhex decodes digits, of which the letters must be in lower case.
func unhex(dst, src []byte) bool {
	for _, c := range src {
		if 'A' <= c && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}

// appendParent appends the traceparent by which the application knows the server's
// span.
func appendParent(dst []byte, t *asteri.Trace) []byte {
	dst = hex.AppendEncode(append(dst, "00-"...), t.TraceID[:])
	dst = hex.AppendEncode(append(dst, '-'), t.SpanID[:])
	if t.Sampled {
		return append(dst, "-01"...)
	}
	return append(dst, "-00"...)
}
