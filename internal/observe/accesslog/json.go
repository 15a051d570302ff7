package accesslog

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/stats"
)

// member is one member of the JSON object: a string whose text is appended with its
// escapes, or another value that is appended as JSON. What appends nothing is not there.
type member struct {
	name        string
	text, value atom // one of them
	key         string
}

// members are all, in their order. The names are those of {NAME}x, too.
var members = withKeys([]member{
	{name: "time", text: func(dst []byte, e *entry) []byte {
		dst = append(append(dst, e.format.stampOf(e.now).utc...), '.')
		return append(decimals(dst, int64(e.now.Nanosecond())/1e6, 100), 'Z')
	}},
	{name: "request_id", text: handled(func(dst []byte, h *asteri.Handling) []byte { return escape(dst, h.ID) })},
	{name: "trace_id", text: traced(func(dst []byte, t *asteri.Trace) []byte { return hex.AppendEncode(dst, t.TraceID[:]) })},
	{name: "span_id", text: traced(func(dst []byte, t *asteri.Trace) []byte { return hex.AppendEncode(dst, t.SpanID[:]) })},
	{name: "remote", text: func(dst []byte, e *entry) []byte {
		if !e.Peer.Remote.IsValid() {
			return dst
		}
		return e.Peer.Remote.Addr().Unmap().AppendTo(dst)
	}},
	{name: "user", text: userName},
	{name: "method", text: requested(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Method) })},
	{name: "scheme", text: requested(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Scheme) })},
	{name: "host", text: requested(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Authority) })},
	{name: "path", text: requested(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Path) })},
	{name: "query", text: requested(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Query) })},
	{name: "protocol", text: requested(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Proto.String()) })},
	{name: "status", value: func(dst []byte, e *entry) []byte { return unlessZero(dst, int64(e.LoggedStatus())) }},
	{name: "bytes_in", value: func(dst []byte, e *entry) []byte { return strconv.AppendInt(dst, e.BytesIn, 10) }},
	{name: "bytes_out", value: func(dst []byte, e *entry) []byte { return strconv.AppendInt(dst, e.BytesOut, 10) }},
	{name: "bytes_sent", value: func(dst []byte, e *entry) []byte { return strconv.AppendInt(dst, e.BytesSent, 10) }},
	{name: "duration", value: func(dst []byte, e *entry) []byte { return inSeconds(dst, e.Duration) }},
	{name: "queue_time", value: handled(func(dst []byte, h *asteri.Handling) []byte { return unlessNone(dst, h.Queued) })},
	{name: "app_time", value: handled(func(dst []byte, h *asteri.Handling) []byte { return unlessNone(dst, h.Worked) })},
	{name: "send_time", value: func(dst []byte, e *entry) []byte { return unlessNone(dst, e.Sending) }},
	{name: "tls_version", text: secured(func(dst []byte, s *tls.ConnectionState) []byte { return escape(dst, tls.VersionName(s.Version)) })},
	{name: "tls_cipher", text: secured(func(dst []byte, s *tls.ConnectionState) []byte {
		return escape(dst, cipherNames[s.CipherSuite])
	})},
	{name: "tls_sni", text: secured(func(dst []byte, s *tls.ConnectionState) []byte { return escape(dst, s.ServerName) })},
	{name: "worker", value: handled(func(dst []byte, h *asteri.Handling) []byte { return unlessZero(dst, int64(h.Worker)) })},
	{name: "model", text: handled(func(dst []byte, h *asteri.Handling) []byte { return escape(dst, h.Model) })},
	{name: "app", text: handled(func(dst []byte, h *asteri.Handling) []byte { return escape(dst, h.App) })},
	{name: "referer", text: ofRequestField("Referer")},
	{name: "user_agent", text: ofRequestField("User-Agent")},
	{name: "tunnel", value: func(dst []byte, e *entry) []byte {
		if !e.tunnel {
			return dst
		}
		return append(dst, "true"...)
	}},
	{name: "outcome", text: func(dst []byte, e *entry) []byte { return escape(dst, outcome(e.Err)) }},
	{name: "error", text: func(dst []byte, e *entry) []byte {
		if e.Err == nil {
			return dst
		}
		return escape(dst, e.Err.Error())
	}},
})

func withKeys(all []member) []member {
	for i := range all {
		all[i].key = `"` + all[i].name + `":`
	}
	return all
}

// cipherNames is here because crypto/tls makes its list anew for each look at it.
var cipherNames = func() map[uint16]string {
	names := make(map[uint16]string)
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		names[s.ID] = s.Name
	}
	return names
}()

// outcome is one word for how an exchange ended.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	why, _ := stats.EndingOf(err)
	return why.String()
}

// appendJSON appends the line.
func appendJSON(dst []byte, e *entry) []byte {
	dst = append(dst, '{')
	for i := range members {
		dst = members[i].append(dst, e)
	}
	dst[len(dst)-1] = '}' // the time is always there
	return append(dst, '\n')
}

// append appends the member with a comma.
func (m *member) append(dst []byte, e *entry) []byte {
	before := len(dst)
	dst = append(dst, m.key...)
	if m.text == nil {
		named := len(dst)
		if dst = m.value(dst, e); len(dst) == named {
			return dst[:before]
		}
		return append(dst, ',')
	}
	dst = append(dst, '"')
	named := len(dst)
	if dst = m.text(dst, e); len(dst) == named {
		return dst[:before]
	}
	return append(dst, '"', ',')
}

// extra makes an atom of a member, as a line of text has it: the escapes of strings are
// the same there.
func extra(name string) (atom, error) {
	i := slices.IndexFunc(members, func(m member) bool { return m.name == name })
	if i < 0 {
		names := make([]string, len(members))
		for i := range members {
			names[i] = members[i].name
		}
		return nil, fmt.Errorf("%%({%s}x)s is not known; there are %s", name, strings.Join(names, ", "))
	}
	if m := &members[i]; m.text != nil {
		return orAbsent(m.text), nil
	}
	return orAbsent(members[i].value), nil
}

func requested(value func([]byte, *asteri.Request) []byte) atom {
	return func(dst []byte, e *entry) []byte {
		if e.Request == nil {
			return dst
		}
		return value(dst, e.Request)
	}
}

func handled(value func([]byte, *asteri.Handling) []byte) atom {
	return requested(func(dst []byte, r *asteri.Request) []byte { return value(dst, &r.Handling) })
}

func traced(value func([]byte, *asteri.Trace) []byte) atom {
	return handled(func(dst []byte, h *asteri.Handling) []byte {
		if h.Trace.IsZero() {
			return dst
		}
		return value(dst, &h.Trace)
	})
}

func secured(value func([]byte, *tls.ConnectionState) []byte) atom {
	return func(dst []byte, e *entry) []byte {
		if e.Peer.TLS == nil {
			return dst
		}
		return value(dst, e.Peer.TLS)
	}
}

// ofRequestField appends the value of a field, or nothing.
func ofRequestField(name string) atom {
	return requested(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Header.Get(name)) })
}

func unlessZero(dst []byte, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(dst, n, 10)
}

func unlessNone(dst []byte, d time.Duration) []byte {
	if d == 0 {
		return dst
	}
	return inSeconds(dst, d)
}

// inSeconds appends a duration with six decimals.
func inSeconds(dst []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	return decimals(append(strconv.AppendInt(dst, us/1e6, 10), '.'), us%1e6, 1e5)
}

// decimals appends the digits of n, of which the first counts for first.
func decimals(dst []byte, n, first int64) []byte {
	for ; first > 0; first /= 10 {
		dst = append(dst, '0'+byte(n/first%10))
	}
	return dst
}
