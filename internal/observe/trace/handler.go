package trace

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/asteri/asteri-loop"
)

// Handler returns a handler that gives the requests for next their place in a trace:
// that which the client names, or a new one. The application finds the server's span
// in traceparent.
func (t *Tracer) Handler(next asteri.Handler) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		t.begin(x.Request())
		next.ServeExchange(x)
	})
}

// begin notes the request's place in a trace, and passes it on. Nothing is allocated
// for it: the place is in the request, its text in the memory of the request's header.
func (t *Tracer) begin(r *asteri.Request) {
	own := &r.Handling.Trace
	*own = asteri.Trace{}
	binary.LittleEndian.PutUint64(own.SpanID[:], newID())
	var from parent
	known, hasState := false, false
	if parents, states := mentions(&r.Header); parents+states > 0 {
		hasState = states > 0
		from, known = takeParent(&r.Header, parents)
	}
	if known {
		own.TraceID, own.ParentID = from.traceID, from.spanID
		own.State = clientsState(&r.Header)
	} else {
		binary.LittleEndian.PutUint64(own.TraceID[:8], newID())
		binary.LittleEndian.PutUint64(own.TraceID[8:], newID())
	}
	if hasState && own.State == "" {
		r.Header.Del(nameState) // without a parent, or not one
	}
	own.Sampled = t.sampler.samples(own, from.sampled)
	var text [parentLength]byte
	r.Header.AddBytes(nameParent, appendParent(text[:0], own))
}

// newID returns random bits, not all of them zero.
func newID() uint64 {
	for {
		if id := rand.Uint64(); id != 0 {
			return id
		}
	}
}

// mentions counts the fields that are about a trace. Most requests have none.
func mentions(h *asteri.Header) (parents, states int) {
	fields := h.Fields()
	for i := range fields {
		switch name := fields[i].Name; len(name) {
		case len(nameParent):
			if asteri.EqualFold(name, nameParent) {
				parents++
			}
		case len(nameState):
			if asteri.EqualFold(name, nameState) {
				states++
			}
		}
	}
	return parents, states
}

// takeParent takes out what the client says of the parent, and returns it if it was
// said once and properly.
func takeParent(h *asteri.Header, parents int) (c parent, ok bool) {
	if parents == 0 {
		return c, false
	}
	if parents == 1 {
		c, ok = parseParent(h.Get(nameParent))
	}
	h.Del(nameParent)
	return c, ok
}

// maxState bounds a tracestate in bytes: longer ones need not be passed on (W3C Trace
// Context section 3.3.1.5).
const maxState = 512

// clientsState returns the tracestate, or nothing if it is none.
func clientsState(h *asteri.Header) string {
	var all strings.Builder
	for v := range h.Values(nameState) {
		if all.Len() > 0 {
			all.WriteByte(',')
		}
		if all.Len()+len(v) > maxState {
			return ""
		}
		all.Write(v)
	}
	state, err := trace.ParseTraceState(all.String())
	if err != nil {
		return ""
	}
	return state.String()
}
