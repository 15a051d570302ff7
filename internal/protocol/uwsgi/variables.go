package uwsgi

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// variables are what a packet says that is not a field. Of a variable that is
// there twice the last one counts, as it is where a configuration overrides what
// it has included. Its slices point into the packet.
type variables struct {
	request *asteri.Request
	limits  *asteri.Limits

	method, uri, path, query, root []byte
	hasPath, hasQuery              bool
	protocol, https, scheme        []byte
	host, serverName               []byte
	length, contentType            []byte
	remoteAddr, remotePort         []byte
	serverAddr, serverPort         []byte
	user                           []byte
}

// read goes over the variables: for each the size of its name, the name, the size
// of its value, the value.
func (v *variables) read(p []byte) *asteri.StatusError {
	for len(p) > 0 {
		name, rest, ok1 := cutString(p)
		value, rest, ok2 := cutString(rest)
		if !ok1 || !ok2 {
			return bad("uwsgi packet is malformed")
		}
		p = rest
		if len(name) > len(fieldPrefix) && string(name[:len(fieldPrefix)]) == fieldPrefix {
			if refusal := v.field(name[len(fieldPrefix):], value); refusal != nil {
				return refusal
			}
			continue
		}
		v.set(name, value)
	}
	return nil
}

func cutString(p []byte) (s, rest []byte, ok bool) {
	if len(p) < 2 {
		return nil, nil, false
	}
	end := 2 + int(binary.LittleEndian.Uint16(p))
	if end > len(p) {
		return nil, nil, false
	}
	return p[2:end:end], p[end:], true
}

// set keeps a variable that is known. The others, such as those that an
// administrator has made up, have no place in a request.
func (v *variables) set(name, value []byte) {
	switch string(name) {
	case "REQUEST_METHOD":
		v.method = value
	case "REQUEST_URI":
		v.uri = value
	case "PATH_INFO":
		v.path, v.hasPath = value, true
	case "QUERY_STRING":
		v.query, v.hasQuery = value, true
	case "SCRIPT_NAME":
		v.root = value
	case "SERVER_PROTOCOL":
		v.protocol = value
	case "HTTPS":
		v.https = value
	case "REQUEST_SCHEME":
		v.scheme = value
	case "CONTENT_LENGTH":
		v.length = value
	case "CONTENT_TYPE":
		v.contentType = value
	case "REMOTE_ADDR":
		v.remoteAddr = value
	case "REMOTE_PORT":
		v.remotePort = value
	case "REMOTE_USER":
		v.user = value
	case "SERVER_ADDR":
		v.serverAddr = value
	case "SERVER_PORT":
		v.serverPort = value
	case "SERVER_NAME":
		v.serverName = value
	}
}

// fieldPrefix begins the variables that are fields of the request.
const fieldPrefix = "HTTP_"

// field adds a field. Those that speak of the client's connection to the proxy, or
// are variables of their own, are left out.
func (v *variables) field(name, value []byte) *asteri.StatusError {
	for i, c := range name {
		switch {
		case 'A' <= c && c <= 'Z':
			name[i] = c | 0x20
		case c == '_':
			name[i] = '-'
		}
	}
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "expect",
		"content-length", "content-type":
		return nil
	case "host":
		v.host = value
		return nil
	}
	return v.add(name, value)
}

// add adds a field within the limits.
func (v *variables) add(name, value []byte) *asteri.StatusError {
	switch {
	case !httpfield.IsToken(name):
		return bad("field name is empty or has a character that is not allowed")
	case !httpfield.IsValue(value):
		return bad("field value has a control character")
	case len(name)+len(value)+2 > v.limits.FieldSize:
		return &asteri.StatusError{Code: http.StatusRequestHeaderFieldsTooLarge, Reason: "field is too long"}
	case v.request.Header.Len() >= v.limits.Fields:
		return &asteri.StatusError{Code: http.StatusRequestHeaderFieldsTooLarge, Reason: "too many fields"}
	}
	v.request.Header.Append(name, httpfield.TrimSpace(value))
	return nil
}

// finish fills the request.
func (v *variables) finish() *asteri.StatusError {
	r := v.request
	switch {
	case !httpfield.IsToken(v.method):
		return bad("REQUEST_METHOD is not a method")
	case string(v.method) == http.MethodConnect:
		return &asteri.StatusError{Code: http.StatusNotImplemented, Reason: "this is not a proxy: CONNECT is not supported"}
	case len(v.uri) > v.limits.RequestLine:
		return &asteri.StatusError{Code: http.StatusRequestURITooLong, Reason: "REQUEST_URI is too long"}
	}
	r.Method = httpfield.MethodName(v.method)
	r.Proto = v.version()
	r.Scheme = v.schemeName()
	v.setPeer()
	if refusal := v.setTarget(); refusal != nil {
		return refusal
	}
	return v.setContent()
}

// setContent reads what there is to say of the content.
func (v *variables) setContent() *asteri.StatusError {
	if len(v.contentType) > 0 {
		if refusal := v.add([]byte("content-type"), v.contentType); refusal != nil {
			return refusal
		}
	}
	if len(v.length) == 0 {
		return nil // nginx sends it empty where there is none
	}
	n, ok := httpfield.ParseLength(v.length)
	switch {
	case !ok:
		return bad("CONTENT_LENGTH is not a length")
	case n < 0:
		return &asteri.StatusError{Code: http.StatusRequestEntityTooLarge, Reason: "content is too long"}
	}
	v.request.ContentLength = n
	return v.add([]byte("content-length"), v.length)
}

// version is the version of HTTP that the client speaks with the proxy.
func (v *variables) version() asteri.Proto {
	switch string(v.protocol) {
	case "HTTP/1.0":
		return asteri.HTTP10
	case "HTTP/2", "HTTP/2.0":
		return asteri.HTTP2
	case "HTTP/3", "HTTP/3.0":
		return asteri.HTTP3
	}
	return asteri.HTTP11
}

func (v *variables) schemeName() string {
	switch {
	case httpfield.FoldIs(v.https, "on"), httpfield.FoldIs(v.https, "1"), httpfield.FoldIs(v.https, "true"),
		httpfield.FoldIs(v.scheme, "https"):
		return "https"
	}
	return "http"
}

// setPeer puts the client in the place of the proxy. What the proxy does not say
// is not known: its own address, which may be trusted, does not stand for it.
func (v *variables) setPeer() {
	own := &struct {
		peer  asteri.Peer
		proxy asteri.Proxy
	}{
		peer: asteri.Peer{
			Network:    v.request.Peer.Network,
			SocketPath: v.request.Peer.SocketPath,
			Remote:     addrPort(v.remoteAddr, v.remotePort),
			Local:      addrPort(v.serverAddr, v.serverPort),
		},
		proxy: asteri.Proxy{User: string(v.user), Root: string(trimRoot(v.root))},
	}
	own.peer.Proxy = &own.proxy
	v.request.Peer = &own.peer
}

func addrPort(addr, port []byte) netip.AddrPort {
	a, err := netip.ParseAddr(string(addr))
	if err != nil {
		return netip.AddrPort{}
	}
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil {
		n = 0
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n))
}

// trimRoot returns where the application is mounted, without a slash at its end.
func trimRoot(root []byte) []byte {
	for len(root) > 0 && root[len(root)-1] == '/' {
		root = root[:len(root)-1]
	}
	return root
}
