package forwarded

import (
	"bytes"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop"
)

// forwarderNames are the names with underscores that proxies may send.
type forwarderNames struct {
	all   bool
	names []string
}

func newForwarderNames(names []string) (f forwarderNames) {
	for _, n := range names {
		if n == "*" {
			f.all = true
		} else if strings.Contains(n, "_") {
			f.names = append(f.names, n)
		}
	}
	return f
}

func (f *forwarderNames) contains(name []byte) bool {
	if f.all {
		return true
	}
	for _, n := range f.names {
		if asteri.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// underscores judges names with an underscore. In an environ such a name is the
// same as one with a hyphen, which the application may trust for having come from
// a proxy. So WSGI applications do not get them, but those that a proxy may send:
// these are spelled with hyphens from here on, in place of what else has that
// name.
func (h *handler) underscores(r *asteri.Request, trusted bool) *asteri.StatusError {
	var permitted [][]byte
	for _, f := range r.Header.Fields() {
		switch {
		case bytes.IndexByte(f.Name, '_') < 0:
		case trusted && h.forwarder.contains(f.Name):
			if slices.ContainsFunc(permitted, func(p []byte) bool { return bytes.EqualFold(p, f.Name) }) {
				return bad("field of a proxy is repeated")
			}
			permitted = append(permitted, f.Name)
		case h.opts.RefuseUnderscores:
			return bad("field name with an underscore")
		}
	}
	for _, name := range permitted {
		setVariable(r, name, respell(&r.Header, name))
	}
	return nil
}

// respell puts hyphens into a name and returns the field's value.
func respell(h *asteri.Header, name []byte) (value []byte) {
	hyphened := bytes.ReplaceAll(name, []byte("_"), []byte("-"))
	h.Del(string(hyphened))
	fields := h.Fields()
	for i := range fields {
		if bytes.EqualFold(fields[i].Name, name) {
			fields[i].Name = hyphened
			value = fields[i].Value
		}
	}
	return value
}

// setVariable takes over what has a place of its own in an environ (RFC 3875).
func setVariable(r *asteri.Request, name, value []byte) {
	switch {
	case asteri.EqualFold(name, "SCRIPT_NAME"):
		ownPeer(r).Proxy.Root = strings.TrimRight(string(value), "/")
	case asteri.EqualFold(name, "REMOTE_USER"):
		ownPeer(r).Proxy.User = string(value)
	}
}
