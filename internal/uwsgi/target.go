package uwsgi

import (
	"bytes"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/httpfield"
)

// setTarget makes target, path, query and authority of the variables that say
// parts of them.
func (v *variables) setTarget() *asteri.StatusError {
	r := v.request
	if v.uri == nil && !v.hasPath {
		return bad("neither REQUEST_URI nor PATH_INFO is there")
	}
	if r.Path = v.pathOf(); len(r.Path) == 0 || r.Path[0] != '/' && (string(r.Path) != "*" || r.Method != http.MethodOptions) {
		return bad("path does not begin with a slash")
	}
	if r.Query = v.queryOf(); len(r.Query) > 0 {
		r.Target = append(append(append(make([]byte, 0, len(r.Path)+1+len(r.Query)), r.Path...), '?'), r.Query...)
	} else {
		r.Target = r.Path
	}
	if _, ok := httpfield.ValidPath(r.Target); !ok {
		return bad("request target is malformed")
	}
	return v.setAuthority()
}

// setAuthority takes the host that the client asked for, else the name that the
// proxy has for the site, which may be a pattern.
func (v *variables) setAuthority() *asteri.StatusError {
	switch {
	case v.host == nil && httpfield.ValidAuthority(v.serverName):
		v.request.Authority = v.serverName
	case v.host == nil:
	case !httpfield.ValidAuthority(v.host):
		return bad("host is malformed")
	default:
		v.request.Authority = v.host
		return v.add([]byte("host"), v.host)
	}
	return nil
}

// pathOf returns the path, percent-encoded. PATH_INFO is what the proxy has decided
// on, decoded and perhaps rewritten; REQUEST_URI is what the client wrote, and is
// taken where it means the same.
func (v *variables) pathOf() []byte {
	written, _, _ := bytes.Cut(v.uri, []byte("?"))
	if !v.hasPath {
		return written
	}
	decided := v.path
	if root := trimRoot(v.root); !under(decided, root) {
		decided = append(root[:len(root):len(root)], decided...)
	}
	if len(decided) == 0 {
		decided = []byte("/")
	}
	if means(written, decided) {
		return written
	}
	return encode(decided)
}

func (v *variables) queryOf() []byte {
	if v.hasQuery {
		return v.query
	}
	_, query, _ := bytes.Cut(v.uri, []byte("?"))
	return query
}

// under tells whether path is root or below it.
func under(path, root []byte) bool {
	return bytes.HasPrefix(path, root) && (len(path) == len(root) || len(root) == 0 || path[len(root)] == '/')
}

// means tells whether an encoded path means a decoded one.
func means(encoded, decoded []byte) bool {
	i, j := 0, 0
	for ; i < len(encoded) && j < len(decoded); j++ {
		c := encoded[i]
		i++
		if c == '%' && i+1 < len(encoded) {
			hi, ok1 := unhex(encoded[i])
			lo, ok2 := unhex(encoded[i+1])
			if !ok1 || !ok2 {
				return false
			}
			c = hi<<4 | lo
			i += 2
		}
		if c != decoded[j] {
			return false
		}
	}
	return i == len(encoded) && j == len(decoded)
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// encode percent-encodes what may not stand in a path as it is (RFC 3986 section
// 3.3).
func encode(path []byte) []byte {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(path)+8)
	for _, c := range path {
		alnum := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if alnum || bytes.IndexByte([]byte("/-._~!$&'()*+,;=:@"), c) >= 0 {
			out = append(out, c)
		} else {
			out = append(out, '%', digits[c>>4], digits[c&0xf])
		}
	}
	return out
}
