package python

import (
	"bytes"
	"crypto/tls"
	"net/netip"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/descriptors"
	"github.com/asteri/asteri-loop/internal/marshal"
)

// requestEncoder writes requests as the tuples of PROTOCOL.md. It belongs to a
// link, and keeps its memory from one request to the next.
type requestEncoder struct {
	marshal.Encoder
	wsgi        bool
	tornado     bool // it has no word for client certificates
	underscores bool // take an underscore in a field name for a hyphen

	certs   map[*tls.ConnectionState]*clientCert
	entries []environEntry
	seen    []int // by fieldName.id: index into entries, plus 1
	text    []byte
}

// environEntry is a key of the environ.
type environEntry struct {
	known  *fieldName // nil for a field that is not common
	name   []byte
	value  []byte
	joined []byte // what is written in place of value for a repeated field
}

// content is the body that goes with a request: inline if it is whole and fits,
// in a file of length bytes, or to follow. With socket there is none, and a raw
// socket in its place.
type content struct {
	socket bool
	inline []byte
	file   *descriptors.File
	stream bool
	length int64 // -1 if unknown
}

// request writes one request tuple.
func (e *requestEncoder) request(stream uint32, r *asteri.Request, body content) {
	root := ""
	if p := r.Peer.Proxy; p != nil && !e.wsgi { // for WSGI it is in the environ
		root = p.Root
	}
	cert := e.clientCert(r)
	switch {
	case cert != nil && !e.wsgi:
		e.Tuple(13)
	case root != "":
		e.Tuple(12)
	default:
		e.Tuple(11)
	}
	e.Int(int64(stream))
	methods.write(&e.Encoder, r.Method)
	schemes.write(&e.Encoder, r.Scheme)
	e.Atom(version[r.Proto])
	e.Bytes(r.Path)
	if e.wsgi {
		e.Latin1(r.Query)
		e.environ(r, cert)
	} else {
		e.Bytes(r.Query)
		e.rawFields(r)
	}
	e.address(r.Peer.Remote, "")
	e.address(r.Peer.Local, r.Peer.SocketPath)
	switch {
	case body.socket:
		e.Bool(true)
	case body.stream:
		e.None()
	case body.file != nil:
		e.Int(body.length)
	default:
		e.Bytes(body.inline)
	}
	e.Int(body.length)
	if root != "" || cert != nil && !e.wsgi {
		e.text = append(e.text[:0], root...)
		e.Bytes(e.text)
	}
	if cert != nil && !e.wsgi {
		e.tls(cert)
	}
}

// address writes a (host, port) tuple, (path, None), or None.
func (e *requestEncoder) address(a netip.AddrPort, path string) {
	switch {
	case a.IsValid():
		e.Tuple(2)
		e.text = a.Addr().Unmap().AppendTo(e.text[:0])
		e.Latin1(e.text)
		e.Int(int64(a.Port()))
	case path != "":
		e.Tuple(2)
		e.Str(path)
		e.None()
	default:
		e.None()
	}
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
		if known == nil && e.underscores && bytes.IndexByte(f.Name, '_') >= 0 {
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

// rawFields writes the fields as ASGI wants them: names in lower case, repeats
// kept in order.
func (e *requestEncoder) rawFields(r *asteri.Request) {
	fields := r.Header.Fields()
	addHost := len(r.Authority) > 0 && !r.Header.Has("host")
	n := len(fields)
	if addHost {
		n++
	}
	e.Tuple(n)
	if addHost {
		e.Tuple(2)
		e.Atom(hostName.raw)
		e.Bytes(r.Authority)
	}
	for _, f := range fields {
		e.Tuple(2)
		known := fieldTable.find(f.Name)
		switch known {
		case nil:
			e.text = appendLower(e.text[:0], f.Name)
			e.Bytes(e.text)
		default:
			e.Atom(known.raw)
		}
		if known == hostName {
			e.Bytes(r.Authority)
		} else {
			e.Bytes(f.Value)
		}
	}
}

func appendLower(dst, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
