package accesslog

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/stats"
)

// member is one member of the JSON object. value appends it as JSON, or nothing if
// there is none: then the object lacks the member.
type member struct {
	name  string
	value atom
}

// members are all, in their order. The names are those of {NAME}x, too.
var members = []member{
	{"time", func(dst []byte, e entry) []byte {
		dst = append(append(append(dst, '"'), e.format.stampOf(e.now).utc...), '.')
		return append(decimals(dst, int64(e.now.Nanosecond())/1e6, 100), 'Z', '"')
	}},
	{"request_id", handled(func(dst []byte, h *asteri.Handling) []byte { return quoted(dst, h.ID) })},
	{"trace_id", traced(func(dst []byte, t *asteri.Trace) []byte { return appendHex(dst, t.TraceID[:]) })},
	{"span_id", traced(func(dst []byte, t *asteri.Trace) []byte { return appendHex(dst, t.SpanID[:]) })},
	{"remote", func(dst []byte, e entry) []byte {
		if !e.Peer.Remote.IsValid() {
			return dst
		}
		return append(e.Peer.Remote.Addr().Unmap().AppendTo(append(dst, '"')), '"')
	}},
	{"user", func(dst []byte, e entry) []byte { return quotedAtom(dst, e, user) }},
	{"method", requested(func(dst []byte, r *asteri.Request) []byte { return quoted(dst, r.Method) })},
	{"scheme", requested(func(dst []byte, r *asteri.Request) []byte { return quoted(dst, r.Scheme) })},
	{"host", requested(func(dst []byte, r *asteri.Request) []byte { return quoted(dst, r.Authority) })},
	{"path", requested(func(dst []byte, r *asteri.Request) []byte { return quoted(dst, r.Path) })},
	{"query", requested(func(dst []byte, r *asteri.Request) []byte { return quoted(dst, r.Query) })},
	{"protocol", requested(func(dst []byte, r *asteri.Request) []byte { return quoted(dst, r.Proto.String()) })},
	{"status", func(dst []byte, e entry) []byte { return unlessZero(dst, int64(e.Status)) }},
	{"bytes_in", func(dst []byte, e entry) []byte { return strconv.AppendInt(dst, e.BytesIn, 10) }},
	{"bytes_out", func(dst []byte, e entry) []byte { return strconv.AppendInt(dst, e.BytesOut, 10) }},
	{"bytes_sent", func(dst []byte, e entry) []byte { return strconv.AppendInt(dst, e.BytesSent, 10) }},
	{"duration", func(dst []byte, e entry) []byte { return inSeconds(dst, e.Duration) }},
	{"queue_time", handled(func(dst []byte, h *asteri.Handling) []byte { return unlessNone(dst, h.Queued) })},
	{"app_time", handled(func(dst []byte, h *asteri.Handling) []byte { return unlessNone(dst, h.Worked) })},
	{"send_time", func(dst []byte, e entry) []byte { return unlessNone(dst, e.Sending) }},
	{"tls_version", secured(func(dst []byte, s *tls.ConnectionState) []byte { return quoted(dst, tls.VersionName(s.Version)) })},
	{"tls_cipher", secured(func(dst []byte, s *tls.ConnectionState) []byte {
		return quoted(dst, cipherNames[s.CipherSuite])
	})},
	{"tls_sni", secured(func(dst []byte, s *tls.ConnectionState) []byte { return quoted(dst, s.ServerName) })},
	{"worker", handled(func(dst []byte, h *asteri.Handling) []byte { return unlessZero(dst, int64(h.Worker)) })},
	{"model", handled(func(dst []byte, h *asteri.Handling) []byte { return quoted(dst, h.Model) })},
	{"app", handled(func(dst []byte, h *asteri.Handling) []byte { return quoted(dst, h.App) })},
	{"referer", func(dst []byte, e entry) []byte { return quotedField(dst, e, "Referer") }},
	{"user_agent", func(dst []byte, e entry) []byte { return quotedField(dst, e, "User-Agent") }},
	{"tunnel", func(dst []byte, e entry) []byte {
		if !e.tunnel {
			return dst
		}
		return append(dst, "true"...)
	}},
	{"outcome", func(dst []byte, e entry) []byte { return quoted(dst, outcome(e.Err)) }},
	{"error", func(dst []byte, e entry) []byte {
		if e.Err == nil {
			return dst
		}
		return quoted(dst, e.Err.Error())
	}},
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
func appendJSON(dst []byte, e entry) []byte {
	dst = append(dst, '{')
	for i := range members {
		m := &members[i]
		before := len(dst)
		dst = append(append(append(dst, '"'), m.name...), '"', ':')
		named := len(dst)
		if dst = m.value(dst, e); len(dst) == named {
			dst = dst[:before]
			continue
		}
		dst = append(dst, ',')
	}
	dst[len(dst)-1] = '}' // the time is always there
	return append(dst, '\n')
}

// extra makes an atom of a member, as a line of text has it.
func extra(name string) (atom, error) {
	i := slices.IndexFunc(members, func(m member) bool { return m.name == name })
	if i < 0 {
		names := make([]string, len(members))
		for i := range members {
			names[i] = members[i].name
		}
		return nil, fmt.Errorf("%%({%s}x)s is not known; there are %s", name, strings.Join(names, ", "))
	}
	return func(dst []byte, e entry) []byte {
		before := len(dst)
		dst = members[i].value(dst, e)
		switch {
		case len(dst) == before:
			return append(dst, absent)
		case dst[before] == '"': // whose escapes are those of a line of text, too
			return append(dst[:before], dst[before+1:len(dst)-1]...)
		}
		return dst
	}, nil
}

func requested(value func([]byte, *asteri.Request) []byte) atom {
	return func(dst []byte, e entry) []byte {
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
	return func(dst []byte, e entry) []byte {
		if e.Peer.TLS == nil {
			return dst
		}
		return value(dst, e.Peer.TLS)
	}
}

// quoted appends a JSON string, or nothing if it is empty.
func quoted[T string | []byte](dst []byte, v T) []byte {
	if len(v) == 0 {
		return dst
	}
	return append(escape(append(dst, '"'), v), '"')
}

func quotedField(dst []byte, e entry, name string) []byte {
	if e.Request == nil {
		return dst
	}
	return quoted(dst, e.Request.Header.Get(name))
}

// quotedAtom appends what an atom appends, unless that is the sign that there is no
// value.
func quotedAtom(dst []byte, e entry, a atom) []byte {
	before := len(dst)
	dst = a(append(dst, '"'), e)
	if string(dst[before:]) == `"-` {
		return dst[:before]
	}
	return append(dst, '"')
}

func appendHex(dst, p []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range p {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return append(dst, '"')
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
