package trace

import (
	"crypto/tls"
	"net/netip"
	"strconv"
	"strings"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/stats"
)

// finished is what spans are made of: a copy, as small as may be, of what an observer
// is told of a request.
type finished struct {
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
	if q == nil || !q.Handling.Trace.Sampled {
		return nil
	}
	f := &finished{
		handling: q.Handling, began: q.Received, took: r.Duration,
		method: q.Method, scheme: q.Scheme, path: string(q.Path), query: string(q.Query), host: string(q.Authority),
		agent: string(q.Header.Get("User-Agent")), proto: q.Proto,
		client: q.Peer.Remote, peer: r.Peer.Remote,
		status: r.LoggedStatus(), bytesIn: r.BytesIn, bytesOut: r.BytesOut, err: r.Err,
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

// makeSpans makes the server's span, and below it those of the queue and of the
// application.
func (b *batch) makeSpans(f *finished) {
	own, end := &f.handling.Trace, f.began.Add(f.took)
	b.makeServer(f, end)
	worked := end.Add(-min(f.handling.Worked, f.took))
	if f.handling.Queued > 0 {
		queued := worked.Add(-min(f.handling.Queued, worked.Sub(f.began)))
		b.makeChild(own, "queue", queued, worked)
	}
	if f.handling.Worked > 0 {
		f.describeWorker(b.makeChild(own, "application", worked, end))
	}
}

func (b *batch) makeServer(f *finished, end time.Time) {
	method := f.standardMethod()
	name := method
	if method == otherMethod {
		name = "HTTP"
	}
	own, m := &f.handling.Trace, b.next()
	m.begin(name, tracepb.Span_SPAN_KIND_SERVER, f.began, end)
	m.place(own.TraceID, own.SpanID, own.ParentID, own.State)
	if own.ParentID != [8]byte{} {
		m.span.Flags |= flagParentRemote
	}
	f.describe(m, method)
	f.describeOutcome(m)
}

func (b *batch) makeChild(of *asteri.Trace, name string, from, to time.Time) *message {
	m := b.next()
	m.begin(name, tracepb.Span_SPAN_KIND_INTERNAL, from, to)
	m.place(of.TraceID, idBytes(newID()), of.SpanID, of.State)
	return m
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

// describe sets the attributes that the semantic conventions have for HTTP servers.
func (f *finished) describe(m *message, method string) {
	m.setText(semconv.HTTPRequestMethodKey, method)
	m.setText(semconv.URLSchemeKey, f.scheme)
	m.setText(semconv.URLPathKey, valid(f.path))
	m.setText(semconv.NetworkProtocolVersionKey, strings.TrimPrefix(f.proto.String(), "HTTP/"))
	if method == otherMethod {
		m.setText(semconv.HTTPRequestMethodOriginalKey, valid(f.method))
	}
	if f.query != "" {
		m.setText(semconv.URLQueryKey, valid(withoutSecrets(f.query)))
	}
	f.describePeers(m)
	f.describeHost(m)
	if f.agent != "" {
		m.setText(semconv.UserAgentOriginalKey, valid(f.agent))
	}
	if f.tlsVersion != 0 {
		m.setText(semconv.TLSProtocolNameKey, "tls")
		m.setText(semconv.TLSProtocolVersionKey, strings.TrimPrefix(tls.VersionName(f.tlsVersion), "TLS "))
	}
	if f.bytesIn > 0 {
		m.setNumber(semconv.HTTPRequestBodySizeKey, f.bytesIn)
	}
	if f.handling.ID != "" {
		m.setText("asteri.request_id", valid(f.handling.ID))
	}
	m.setNumber(semconv.HTTPResponseBodySizeKey, f.bytesOut)
}

func (f *finished) describePeers(m *message) {
	if f.client.IsValid() {
		m.setText(semconv.ClientAddressKey, f.client.Addr().Unmap().String())
	}
	if f.peer.IsValid() {
		m.setText(semconv.NetworkPeerAddressKey, f.peer.Addr().Unmap().String())
		m.setNumber(semconv.NetworkPeerPortKey, int64(f.peer.Port()))
	}
}

func (f *finished) describeHost(m *message) {
	if f.host == "" {
		return
	}
	name, port := f.host, uint64(0)
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
		if n, err := strconv.ParseUint(name[i+1:], 10, 16); err == nil {
			name, port = name[:i], n
		}
	}
	m.setText(semconv.ServerAddressKey, valid(strings.Trim(name, "[]")))
	if port != 0 {
		m.setNumber(semconv.ServerPortKey, int64(port))
	}
}

// describeWorker says who did the work.
func (f *finished) describeWorker(m *message) {
	h := &f.handling
	if h.App != "" {
		m.setText("asteri.app", valid(h.App))
	}
	if h.Model != "" {
		m.setText("asteri.worker.model", valid(h.Model))
	}
	if h.Worker != 0 {
		m.setNumber("asteri.worker.pid", int64(h.Worker))
	}
}

// describeOutcome sets the status of a span. That of a client's mistake stays unset.
func (f *finished) describeOutcome(m *message) {
	if f.status != 0 {
		m.setNumber(semconv.HTTPResponseStatusCodeKey, int64(f.status))
	}
	switch {
	case f.status >= 500:
		m.setText(semconv.ErrorTypeKey, strconv.Itoa(f.status))
	case f.err != nil:
		why, _ := stats.EndingOf(f.err)
		m.setText(semconv.ErrorTypeKey, why.String())
		if why == stats.ClientGone || why == stats.Refused {
			return
		}
	default:
		return
	}
	m.status.Code = tracepb.Status_STATUS_CODE_ERROR
	if f.err != nil {
		m.status.Message = valid(f.err.Error())
	}
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
