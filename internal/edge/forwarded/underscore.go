package forwarded

import (
	"bytes"
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
// name. It returns false if the request is to be refused.
func (h *handler) underscores(r *asteri.Request, trusted bool) bool {
	var permitted [][]byte
	for _, f := range r.Header.Fields() {
		switch {
		case bytes.IndexByte(f.Name, '_') < 0:
		case trusted && h.forwarder.contains(f.Name):
			permitted = append(permitted, f.Name)
		case h.opts.RefuseUnderscores:
			return false
		}
	}
	for _, name := range permitted {
		respell(&r.Header, name)
	}
	if len(permitted) > 0 {
		setProxy(r)
	}
	return true
}

func respell(h *asteri.Header, name []byte) {
	hyphened := bytes.ReplaceAll(name, []byte("_"), []byte("-"))
	h.Del(string(hyphened))
	for i, f := range h.Fields() {
		if bytes.EqualFold(f.Name, name) {
			h.Fields()[i].Name = hyphened
		}
	}
}

// setProxy takes over SCRIPT_NAME and REMOTE_USER (RFC 3875), which have a place
// of their own.
func setProxy(r *asteri.Request) {
	root, user := r.Header.Get("SCRIPT-NAME"), r.Header.Get("REMOTE-USER")
	if root == nil && user == nil {
		return
	}
	peer := ownPeer(r)
	peer.Proxy.Root = strings.TrimRight(string(root), "/")
	peer.Proxy.User = string(user)
}
