package forwarded

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// xForwarded reads the X-Forwarded family.
func (h *handler) xForwarded(r *asteri.Request) (o origin, refusal *asteri.StatusError) {
	client, hops := h.client(r)
	if hops > 0 {
		o.client = client
	}
	if o.scheme, refusal = h.scheme(&r.Header, hops); refusal != nil || !h.opts.Host {
		return o, refusal
	}
	host := last(&r.Header, nameHost, hops)
	switch {
	case len(host) == 0:
		return o, nil
	case !httpfield.ValidAuthority(host):
		return o, bad("X-Forwarded-Host is not a host")
	}
	scheme := o.scheme
	if scheme == "" {
		scheme = r.Scheme
	}
	o.host, refusal = withPort(host, last(&r.Header, namePort, hops), scheme)
	return o, refusal
}

// client walks X-Forwarded-For from its end. Each address was written by the one
// before it in the walk, so that must be trusted. hops is how many addresses were
// taken; without any, the client is not known.
func (h *handler) client(r *asteri.Request) (client netip.AddrPort, hops int) {
	fields := r.Header.Fields()
	for i := len(fields) - 1; i >= 0; i-- {
		if !asteri.EqualFold(fields[i].Name, nameFor) {
			continue
		}
		for rest := fields[i].Value; len(rest) > 0; {
			var element []byte
			rest, element = cutLast(rest)
			if len(element) == 0 {
				continue // RFC 9110 section 5.6.1: an empty element is none
			}
			if hops > 0 && !h.opts.Trusted.Contains(client.Addr()) {
				return client, hops
			}
			addr, ok := parseNode(element)
			if !ok {
				// "unknown", or nonsense: what is known ends here.
				return client, hops
			}
			client = addr
			hops++
		}
	}
	return client, hops
}

// cutLast takes the last element off a list.
func cutLast(list []byte) (rest, element []byte) {
	if i := bytes.LastIndexByte(list, ','); i >= 0 {
		return list[:i], httpfield.TrimSpace(list[i+1:])
	}
	return nil, httpfield.TrimSpace(list)
}

// pick returns the element of a list that the proxy wrote which wrote the address
// of the client, hops proxies away. A list that is shorter was begun by a proxy
// nearer to the server. Each is trusted.
func pick(list []byte, hops int) (element []byte) {
	for rest := list; len(rest) > 0; hops-- {
		rest, element = cutLast(rest)
		if hops <= 1 {
			break
		}
	}
	return element
}

// last returns what the last field called name says.
func last(fields *asteri.Header, name string, hops int) []byte {
	var value []byte
	for v := range fields.Values(name) {
		value = v
	}
	return pick(value, hops)
}

// scheme returns the scheme that the client used, or "" if no field tells. Fields
// that tell differently are refused: one of them is the client's own.
func (h *handler) scheme(fields *asteri.Header, hops int) (scheme string, refusal *asteri.StatusError) {
	for i := range h.opts.SecureSchemes {
		s := &h.opts.SecureSchemes[i]
		for _, f := range fields.Fields() {
			if !asteri.EqualFold(f.Name, s.Name) {
				continue
			}
			value := pick(f.Value, hops)
			if len(value) == 0 {
				continue
			}
			told := "http"
			if s.means(value) {
				told = "https"
			}
			if scheme != "" && scheme != told {
				return "", bad("fields tell different schemes")
			}
			scheme = told
		}
	}
	return scheme, nil
}

// means tells whether a value means https. Some proxies name the scheme of a
// WebSocket.
func (s *SecureScheme) means(value []byte) bool {
	return asteri.EqualFold(value, s.Secure) || s.Secure == "https" && asteri.EqualFold(value, "wss")
}

// withPort puts port behind host unless it has one, or the scheme implies it.
func withPort(host, port []byte, scheme string) ([]byte, *asteri.StatusError) {
	if len(port) == 0 {
		return host, nil
	}
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil || n == 0 {
		return nil, bad("X-Forwarded-Port is not a port")
	}
	hasPort := bytes.LastIndexByte(host, ':') > bytes.LastIndexByte(host, ']')
	if hasPort || n == 80 && scheme == "http" || n == 443 && scheme == "https" {
		return host, nil
	}
	return strconv.AppendUint(append(host[:len(host):len(host)], ':'), n, 10), nil
}
