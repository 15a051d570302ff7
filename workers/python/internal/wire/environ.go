package wire

import (
	"bytes"

	"github.com/asteri/asteri-loop"
)

// environEntry is a key of the environ.
type environEntry struct {
	known  *fieldName // nil for a field that is not common
	name   []byte
	value  []byte
	joined []byte // what is written in place of value for a repeated field
}

// environ writes the fields as WSGI keys. Repeated fields become one, because
// an environ is a dict (RFC 3875 section 4.1.18). Names with an underscore are
// dropped: X_Forwarded_For would become the key of X-Forwarded-For. So is Proxy,
// which nobody uses: HTTP_PROXY is a setting of HTTP clients, and what an
// application starts may take it for that. What a trusted proxy says of root and
// user has keys of its own, and so has a client's certificate.
func (e *requestEncoder) environ(r *asteri.Request, cert *clientCert) {
	e.collect(r)
	var root, user string
	if p := r.Peer.Proxy; p != nil {
		root, user = p.Root, p.User
	}
	e.Dict()
	e.variable("SCRIPT_NAME", root)
	e.variable("REMOTE_USER", user)
	if cert != nil {
		for _, v := range cert.environ {
			e.variable(v.key, v.value)
		}
	}
	for i := range e.entries {
		en := &e.entries[i]
		if en.known != nil {
			e.Atom(en.known.environ)
			e.seen[en.known.id] = 0
		} else {
			e.text = appendEnvironKey(e.text[:0], en.name)
			e.Latin1(e.text)
		}
		if en.joined != nil {
			e.Latin1(en.joined)
		} else {
			e.Latin1(en.value)
		}
	}
	e.EndDict()
	clear(e.entries) // it must not keep the request's memory
}

// variable writes a key that is not a field, unless its value is empty.
func (e *requestEncoder) variable(key, value string) {
	if value != "" {
		e.Str(key)
		e.text = append(e.text[:0], value...)
		e.Latin1(e.text)
	}
}

func (e *requestEncoder) collect(r *asteri.Request) {
	if e.seen == nil {
		e.seen = make([]int, fieldTable.count)
	}
	e.entries = e.entries[:0]
	host := false
	for _, f := range r.Header.Fields() {
		known := fieldTable.find(f.Name)
		if known == nil && e.Underscores && bytes.IndexByte(f.Name, '_') >= 0 {
			f.Name = bytes.ReplaceAll(f.Name, []byte("_"), []byte("-"))
			if known = fieldTable.find(f.Name); known == contentLengthName {
				continue // it is not for a client to say in this way
			}
		}
		if known == nil {
			e.addUncommon(f)
			continue
		}
		value := f.Value
		if known == hostName {
			// The target's authority counts, not a differing Host (RFC 9112
			// section 3.2.2).
			value, host = r.Authority, true
		}
		if at := e.seen[known.id]; at != 0 {
			e.entries[at-1].repeat(value, known.join)
			continue
		}
		e.entries = append(e.entries, environEntry{known: known, value: value})
		e.seen[known.id] = len(e.entries)
	}
	if !host && len(r.Authority) > 0 {
		e.entries = append(e.entries, environEntry{known: hostName, value: r.Authority})
	}
}

var (
	hostName          = fieldTable.find([]byte("host"))
	contentLengthName = fieldTable.find([]byte("content-length"))
)

func (e *requestEncoder) addUncommon(f asteri.Field) {
	if bytes.IndexByte(f.Name, '_') >= 0 || asteri.EqualFold(f.Name, "proxy") {
		return
	}
	for i := range e.entries {
		if en := &e.entries[i]; en.known == nil && bytes.EqualFold(en.name, f.Name) {
			en.repeat(f.Value, ", ")
			return
		}
	}
	e.entries = append(e.entries, environEntry{name: f.Name, value: f.Value})
}

func (en *environEntry) repeat(value []byte, join string) {
	if en.joined == nil {
		en.joined = append(en.joined, en.value...)
	}
	en.joined = append(append(en.joined, join...), value...)
}
