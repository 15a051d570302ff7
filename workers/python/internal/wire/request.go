package wire

import (
	"crypto/tls"
	"net/netip"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

// Form is which of the forms of a request a worker takes.
type Form struct {
	WSGI        bool
	Tornado     bool // it has no word for client certificates
	Underscores bool // take an underscore in a field name for a hyphen
}

// Requests is a REQUESTS frame under way. Its memory stays for the next one.
type Requests struct {
	enc   requestEncoder
	list  int // where the frame's list is
	count int
	last  int // where the last request begins
}

// Init says which form the requests are to have.
func (b *Requests) Init(f Form) { b.enc.Form = f }

// Empty tells whether there is no request.
func (b *Requests) Empty() bool { return b.count == 0 }

// Size is how long the frame is, in bytes.
func (b *Requests) Size() int { return len(b.enc.Buf) }

// Add adds a request.
func (b *Requests) Add(stream uint32, r *asteri.Request, body Content) {
	if b.count == 0 {
		b.enc.Reset(AppendFrame(b.enc.Buf[:0], FrameRequests, 0, 0, 0), &atoms)
		b.list = b.enc.List(0)
	}
	b.last = len(b.enc.Buf)
	b.enc.request(stream, r, body)
	b.count++
}

// Undo takes the last request back. The frame has to be sent before another is added, which
// must not refer to words of the one that was cut off.
func (b *Requests) Undo() {
	b.enc.Buf = b.enc.Buf[:b.last]
	b.count--
}

// Frame ends the frame and returns it. It is valid until the next Add.
func (b *Requests) Frame() []byte {
	b.enc.PatchList(b.list, b.count)
	b.count = 0
	PatchSize(b.enc.Buf)
	return b.enc.Buf
}

// Drop forgets the requests.
func (b *Requests) Drop() { b.count = 0 }

// Trim gives memory back that is more than most bytes.
func (b *Requests) Trim(most int) {
	if cap(b.enc.Buf) > most {
		b.enc.Buf = nil
	}
}

// requestEncoder writes requests as the tuples of PROTOCOL.md. It keeps its memory from one
// request to the next.
type requestEncoder struct {
	marshal.Encoder
	Form

	certs   map[*tls.ConnectionState]*clientCert
	entries []environEntry
	seen    []int // by fieldName.id: index into entries, plus 1
	text    []byte
}

// Content is the body that goes with a request: inline if it is whole and fits,
// in a file of Length bytes, or to follow as a stream. With Socket there is none, and a
// socket that stands for the client's connection in its place.
type Content struct {
	Socket bool
	Inline []byte
	File   *descriptors.File
	Stream bool
	Length int64 // -1 if unknown
}

// request writes one request tuple.
func (e *requestEncoder) request(stream uint32, r *asteri.Request, body Content) {
	root := ""
	if p := r.Peer.Proxy; p != nil && !e.WSGI { // for WSGI it is in the environ
		root = p.Root
	}
	cert := e.clientCert(r)
	switch {
	case cert != nil && !e.WSGI:
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
	if e.WSGI {
		e.Latin1(r.Query)
		e.environ(r, cert)
	} else {
		e.Bytes(r.Query)
		e.rawFields(r)
	}
	e.address(r.Peer.Remote, "")
	e.address(r.Peer.Local, r.Peer.SocketPath)
	switch {
	case body.Socket:
		e.Bool(true)
	case body.Stream:
		e.None()
	case body.File != nil:
		e.Int(body.Length)
	default:
		e.Bytes(body.Inline)
	}
	e.Int(body.Length)
	if root != "" || cert != nil && !e.WSGI {
		e.text = append(e.text[:0], root...)
		e.Bytes(e.text)
	}
	if cert != nil && !e.WSGI {
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
