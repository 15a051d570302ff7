package uwsgi

import (
	"bytes"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
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
	if _, _, ok := httpfield.ValidPath(r.Target); !ok {
		return bad("request target is malformed")
	}
	r.Route, r.Ambiguous = urlpath.Normal(r.Path)
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
	return urlpath.AppendEscaped(make([]byte, 0, len(decided)+8), decided)
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
	for len(encoded) > 0 && len(decoded) > 0 {
		c, n := urlpath.Next(encoded)
		if n == 0 || c != decoded[0] {
			return false
		}
		encoded, decoded = encoded[n:], decoded[1:]
	}
	return len(encoded) == 0 && len(decoded) == 0
}
