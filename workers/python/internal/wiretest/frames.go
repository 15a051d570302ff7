// Package wiretest makes what a worker may send, for tests: by the rules of PROTOCOL.md, and
// against them.
package wiretest

import (
	"fmt"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Frame returns a frame with a marshalled payload, or a raw one.
func Frame(kind wire.FrameType, flags uint8, stream int64, payload any) []byte {
	var e marshal.Encoder
	if raw, ok := payload.([]byte); ok {
		e.Buf = raw
	} else {
		appendValue(&e, payload)
	}
	return append(wire.AppendFrame(nil, kind, flags, uint32(stream), len(e.Buf)), e.Buf...)
}

func appendValue(e *marshal.Encoder, v any) {
	switch v := v.(type) {
	case nil:
		e.None()
	case bool:
		e.Bool(v)
	case int:
		e.Int(int64(v))
	case int64:
		e.Int(v)
	case float64:
		e.Float(v)
	case reference:
		e.Buf = append(e.Buf, v...)
	case first:
		at := len(e.Buf)
		appendValue(e, v.value)
		e.Buf[at] |= referred
	case string:
		e.Str(v)
	case []byte:
		e.Bytes(v)
	case []any:
		e.Tuple(len(v))
		for _, x := range v {
			appendValue(e, x)
		}
	case List:
		e.List(len(v))
		for _, x := range v {
			appendValue(e, x)
		}
	case map[string]any:
		e.Dict()
		for k, x := range v {
			e.Str(k)
			appendValue(e, x)
		}
		e.EndDict()
	default:
		panic(fmt.Sprintf("%T", v))
	}
}

// List is written as a list; other slices are tuples.
type List []any
