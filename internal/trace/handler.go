package trace

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strings"

	sdk "go.opentelemetry.io/otel/sdk/trace"
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

// begin notes the request's place in a trace, and passes it on.
func (t *Tracer) begin(r *asteri.Request) {
	place := new(placed)
	own := &place.Trace
	binary.LittleEndian.PutUint64(own.SpanID[:], newID())
	from, ok := clientsParent(&r.Header)
	if ok {
		own.TraceID, own.ParentID = from.traceID, from.spanID
		own.State = t.clientsState(&r.Header)
	} else {
		binary.LittleEndian.PutUint64(own.TraceID[:8], newID())
		binary.LittleEndian.PutUint64(own.TraceID[8:], newID())
	}
	if own.State == "" && r.Header.Has(nameState) {
		r.Header.Del(nameState) // without a parent, or not one
	}
	own.Sampled = t.samples(own, from.sampled)
	if r.Header.Has(nameParent) {
		r.Header.Del(nameParent)
	}
	r.Header.Append(parentName, appendParent(place.text[:0], own))
	r.Handling.Trace = own
}

// placed is a place in a trace and its traceparent, in one piece of memory.
type placed struct {
	asteri.Trace
	text [parentLength]byte
}

var parentName = []byte(nameParent)

// newID returns random bits, not all of them zero.
func newID() uint64 {
	for {
		if id := rand.Uint64(); id != 0 {
			return id
		}
	}
}

// clientsParent returns what the client says, if it says it once and properly.
func clientsParent(h *asteri.Header) (c parent, ok bool) {
	found := false
	for v := range h.Values(nameParent) {
		if found {
			return parent{}, false
		}
		found = true
		if c, ok = parseParent(v); !ok {
			return parent{}, false
		}
	}
	return c, found
}

// maxState bounds a tracestate in bytes: longer ones need not be passed on (W3C Trace
// Context section 3.3.1.5).
const maxState = 512

// clientsState returns the tracestate, or nothing if it is none.
func (t *Tracer) clientsState(h *asteri.Header) string {
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

// samples decides whether the trace is recorded, before anything of the request is
// known but its place in the trace.
func (t *Tracer) samples(own *asteri.Trace, parentSampled bool) bool {
	ctx := context.Background()
	if own.ParentID != [8]byte{} {
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(own, own.ParentID, parentSampled))
	}
	decision := t.sampler.ShouldSample(sdk.SamplingParameters{ParentContext: ctx, TraceID: own.TraceID, Kind: trace.SpanKindServer})
	return decision.Decision == sdk.RecordAndSample
}

// spanContext is a span of the trace in the words of the SDK.
func spanContext(own *asteri.Trace, id [8]byte, sampled bool) trace.SpanContext {
	state, err := trace.ParseTraceState(own.State)
	if err != nil {
		state = trace.TraceState{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: own.TraceID, SpanID: id, TraceFlags: trace.TraceFlags(0).WithSampled(sampled), TraceState: state, Remote: true,
	})
}
