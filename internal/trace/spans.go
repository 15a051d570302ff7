package trace

import (
	"context"
	"crypto/tls"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/stats"
)

// finished is what spans are made of: a copy, as small as may be, of what an observer
// is told of a request.
type finished struct {
	trace    *asteri.Trace
	handling asteri.Handling
	began    time.Time
	took     time.Duration

	method, scheme, path, query, host, agent string
	proto                                    asteri.Proto
	client, peer                             netip.AddrPort
	tlsVersion                               uint16
	status                                   int
	bytesIn, bytesOut                        int64
	err                                      error
}

// finish copies what r says. It returns nil for a request that is not recorded.
func finish(r *asteri.Record) *finished {
	q := r.Request
	if q == nil || q.Handling.Trace == nil || !q.Handling.Trace.Sampled {
		return nil
	}
	f := &finished{
		trace: q.Handling.Trace, handling: q.Handling, began: q.Received, took: r.Duration,
		method: q.Method, scheme: q.Scheme, path: string(q.Path), query: string(q.Query), host: string(q.Authority),
		agent: string(q.Header.Get("User-Agent")), proto: q.Proto,
		client: q.Peer.Remote, peer: r.Peer.Remote,
		status: r.Status, bytesIn: r.BytesIn, bytesOut: r.BytesOut, err: r.Err,
	}
	if q.Peer.TLS != nil {
		f.tlsVersion = q.Peer.TLS.Version
	}
	return f
}

// spans is how many will be made of it.
func (f *finished) spans() int {
	n := 1
	if f.handling.Queued > 0 {
		n++
	}
	if f.handling.Worked > 0 {
		n++
	}
	return n
}

// collector is the span processor that puts spans into the tracer's batch. It runs on
// the tracer's goroutine.
type collector struct{ *Tracer }

func (collector) OnStart(context.Context, sdk.ReadWriteSpan) {}
func (c collector) OnEnd(s sdk.ReadOnlySpan)                 { c.batch = append(c.batch, s) }
func (collector) Shutdown(context.Context) error             { return nil }
func (collector) ForceFlush(context.Context) error           { return nil }

// givenIDs makes the ids of spans: those of a server's span were made with its request.
type givenIDs struct{}

type traceKey struct{}

// NewIDs returns the ids of a trace that begins here.
func (givenIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if own, ok := ctx.Value(traceKey{}).(*asteri.Trace); ok {
		return own.TraceID, own.SpanID
	}
	var id trace.TraceID
	copy(id[:8], idBytes())
	copy(id[8:], idBytes())
	return id, trace.SpanID(idBytes())
}

// NewSpanID returns the id of a span whose parent is known.
func (givenIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if own, ok := ctx.Value(traceKey{}).(*asteri.Trace); ok {
		return own.SpanID
	}
	return trace.SpanID(idBytes())
}

func idBytes() []byte {
	b := make([]byte, 8)
	for i, id := 0, newID(); i < len(b); i++ {
		b[i] = byte(id >> (8 * i))
	}
	return b
}

// makeSpans makes the server's span, and below it those of the queue and of the
// application.
func (t *Tracer) makeSpans(f *finished) {
	ctx := context.WithValue(context.Background(), traceKey{}, f.trace)
	if f.trace.ParentID != [8]byte{} {
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(f.trace, f.trace.ParentID, true))
	}
	method := f.standardMethod()
	name := method
	if method == otherMethod {
		name = "HTTP"
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(f.began), trace.WithAttributes(f.attributes(method)...))
	f.describeOutcome(span)
	ctx = context.WithValue(ctx, traceKey{}, nil) // those below get ids of their own
	end := f.began.Add(f.took)
	worked := end.Add(-min(f.handling.Worked, f.took))
	if f.handling.Queued > 0 {
		queued := worked.Add(-min(f.handling.Queued, worked.Sub(f.began)))
		t.makeChild(ctx, "queue", queued, worked)
	}
	if f.handling.Worked > 0 {
		t.makeChild(ctx, "application", worked, end, f.applicationAttributes()...)
	}
	span.End(trace.WithTimestamp(end))
}

func (t *Tracer) makeChild(ctx context.Context, name string, from, to time.Time, attributes ...attribute.KeyValue) {
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(from), trace.WithAttributes(attributes...))
	span.End(trace.WithTimestamp(to))
}

// otherMethod stands for methods that are not in the standards, of which clients
// could make any number.
const otherMethod = "_OTHER"

func (f *finished) standardMethod() string {
	switch f.method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY":
		return f.method
	}
	return otherMethod
}

// attributes are those that the semantic conventions have for HTTP servers.
func (f *finished) attributes(method string) []attribute.KeyValue {
	a := make([]attribute.KeyValue, 0, 20)
	a = append(a, semconv.HTTPRequestMethodKey.String(method), semconv.URLScheme(f.scheme), semconv.URLPath(valid(f.path)),
		semconv.NetworkProtocolVersion(strings.TrimPrefix(f.proto.String(), "HTTP/")))
	if method == otherMethod {
		a = append(a, semconv.HTTPRequestMethodOriginal(valid(f.method)))
	}
	if f.query != "" {
		a = append(a, semconv.URLQuery(valid(withoutSecrets(f.query))))
	}
	if f.client.IsValid() {
		a = append(a, semconv.ClientAddress(f.client.Addr().Unmap().String()))
	}
	if f.peer.IsValid() {
		a = append(a, semconv.NetworkPeerAddress(f.peer.Addr().Unmap().String()), semconv.NetworkPeerPort(int(f.peer.Port())))
	}
	a = f.appendHost(a)
	if f.agent != "" {
		a = append(a, semconv.UserAgentOriginal(valid(f.agent)))
	}
	if f.tlsVersion != 0 {
		a = append(a, semconv.TLSProtocolNameTLS, semconv.TLSProtocolVersion(strings.TrimPrefix(tls.VersionName(f.tlsVersion), "TLS ")))
	}
	if f.bytesIn > 0 {
		a = append(a, semconv.HTTPRequestBodySize(int(f.bytesIn)))
	}
	if f.handling.ID != "" {
		a = append(a, attribute.String("asteri.request_id", valid(f.handling.ID)))
	}
	return append(a, semconv.HTTPResponseBodySize(int(f.bytesOut)))
}

func (f *finished) appendHost(a []attribute.KeyValue) []attribute.KeyValue {
	if f.host == "" {
		return a
	}
	name, port := f.host, 0
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
		if n, err := strconv.ParseUint(name[i+1:], 10, 16); err == nil {
			name, port = name[:i], int(n)
		}
	}
	a = append(a, semconv.ServerAddress(valid(strings.Trim(name, "[]"))))
	if port != 0 {
		a = append(a, semconv.ServerPort(port))
	}
	return a
}

// applicationAttributes say who did the work.
func (f *finished) applicationAttributes() (a []attribute.KeyValue) {
	h := &f.handling
	if h.App != "" {
		a = append(a, attribute.String("asteri.app", h.App))
	}
	if h.Model != "" {
		a = append(a, attribute.String("asteri.worker.model", h.Model))
	}
	if h.Worker != 0 {
		a = append(a, attribute.Int("asteri.worker.pid", h.Worker))
	}
	return a
}

// describeOutcome sets the status of a span. That of a client's mistake stays unset.
func (f *finished) describeOutcome(span trace.Span) {
	if f.status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(f.status))
	}
	switch {
	case f.status >= 500:
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(f.status)))
	case f.err != nil:
		why, _ := stats.EndingOf(f.err)
		span.SetAttributes(semconv.ErrorTypeKey.String(why.String()))
		if why == stats.ClientGone || why == stats.Refused {
			return
		}
	default:
		return
	}
	text := ""
	if f.err != nil {
		text = valid(f.err.Error())
	}
	span.SetStatus(codes.Error, text)
}

// valid makes s UTF-8, which protobuf demands.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// secrets are parameters whose values are credentials, by the conventions for
// url.query.
var secrets = []string{"AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"}

// withoutSecrets replaces the values of secrets in a query.
func withoutSecrets(query string) string {
	found := false
	for _, name := range secrets {
		found = found || strings.Contains(query, name+"=")
	}
	if !found {
		return query
	}
	parameters := strings.Split(query, "&")
	for i, p := range parameters {
		for _, name := range secrets {
			if strings.HasPrefix(p, name+"=") {
				parameters[i] = name + "=REDACTED"
			}
		}
	}
	return strings.Join(parameters, "&")
}
