package trace

import (
	"encoding/binary"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// message is a span as OTLP has it, with the memory of all its parts: making one out of
// parts that are allocated one by one, or by the SDK and then again by its exporter,
// costs several times as much. The tracer's goroutine owns messages and uses them
// again once a batch has been sent.
type message struct {
	span       tracepb.Span
	status     tracepb.Status
	traceID    [16]byte
	id, parent [8]byte
	list       [maxAttributes]*commonpb.KeyValue
	attributes [maxAttributes]messageAttribute
}

// messageAttribute is one attribute; value is text or number.
type messageAttribute struct {
	pair   commonpb.KeyValue
	value  commonpb.AnyValue
	text   commonpb.AnyValue_StringValue
	number commonpb.AnyValue_IntValue
}

// maxAttributes is more than any of our spans has.
const maxAttributes = 24

// Bits of a span's flags: that it is recorded, that it is known whether its parent was
// in another process, and that it was.
const (
	flagParentKnown  = uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	flagParentRemote = uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
)

// begin makes m an empty span of a trace.
func (m *message) begin(name string, kind tracepb.Span_SpanKind, from, to time.Time) {
	s := &m.span
	s.Name, s.Kind = name, kind
	s.StartTimeUnixNano, s.EndTimeUnixNano = uint64(from.UnixNano()), uint64(to.UnixNano())
	s.Flags = flagSampled | flagParentKnown
	s.ParentSpanId = nil
	s.Attributes = m.list[:0]
	m.status.Code, m.status.Message = tracepb.Status_STATUS_CODE_UNSET, ""
	s.Status = &m.status
}

// place says where in the trace the span is. parent is zero if it begins there.
func (m *message) place(traceID [16]byte, id, parent [8]byte, state string) {
	m.traceID, m.id, m.parent = traceID, id, parent
	m.span.TraceId, m.span.SpanId, m.span.TraceState = m.traceID[:], m.id[:], state
	if parent != [8]byte{} {
		m.span.ParentSpanId = m.parent[:]
	}
}

func (m *message) setText(name attribute.Key, value string) {
	a := m.add(name)
	a.text.StringValue = value
	a.value.Value = &a.text
}

func (m *message) setNumber(name attribute.Key, value int64) {
	a := m.add(name)
	a.number.IntValue = value
	a.value.Value = &a.number
}

// add adds an attribute whose value is to be set.
func (m *message) add(name attribute.Key) *messageAttribute {
	a := &m.attributes[len(m.span.Attributes)]
	a.pair.Key, a.pair.Value = string(name), &a.value
	m.span.Attributes = append(m.span.Attributes, &a.pair)
	return a
}

// batch collects spans to be sent together. It belongs to the tracer's goroutine.
type batch struct {
	about *tracepb.ResourceSpans // all that is sent: what makes the spans, and them
	spans *tracepb.ScopeSpans    // of about
	all   []*message             // the first used hold the spans
	used  int
}

func newBatch(about *resource.Resource, version string) *batch {
	spans := &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: "github.com/asteri/asteri-loop", Version: version}}
	return &batch{spans: spans, about: &tracepb.ResourceSpans{
		Resource: describeResource(about), SchemaUrl: about.SchemaURL(), ScopeSpans: []*tracepb.ScopeSpans{spans},
	}}
}

func describeResource(about *resource.Resource) *resourcepb.Resource {
	r := new(resourcepb.Resource)
	for _, a := range about.Attributes() {
		value := new(commonpb.AnyValue)
		if a.Value.Type() == attribute.INT64 {
			value.Value = &commonpb.AnyValue_IntValue{IntValue: a.Value.AsInt64()}
		} else {
			value.Value = &commonpb.AnyValue_StringValue{StringValue: a.Value.String()}
		}
		r.Attributes = append(r.Attributes, &commonpb.KeyValue{Key: string(a.Key), Value: value})
	}
	return r
}

// next returns a message that begin is to be called of.
func (b *batch) next() *message {
	if b.used == len(b.all) {
		b.all = append(b.all, new(message))
	}
	m := b.all[b.used]
	b.used++
	b.spans.Spans = append(b.spans.Spans, &m.span)
	return m
}

// reset makes the messages free for other spans.
func (b *batch) reset() {
	b.used = 0
	b.spans.Spans = b.spans.Spans[:0]
}

// idBytes are those of an id for a span.
func idBytes(id uint64) (b [8]byte) {
	binary.LittleEndian.PutUint64(b[:], id)
	return b
}
