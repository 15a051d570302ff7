package httpfield

import (
	"bytes"

	"github.com/asteri/asteri-loop"
)

// NextItem cuts the first item off a comma-separated list, RFC 9110 section 5.6.1,
// and the white space around it. rest is nil behind the last one; items may be empty.
func NextItem(list []byte) (item, rest []byte) {
	if i := bytes.IndexByte(list, ','); i >= 0 {
		return TrimSpace(list[:i]), list[i+1:]
	}
	return TrimSpace(list), nil
}

// HasItem tells whether a list holds a token, without regard to case.
func HasItem(list []byte, token string) bool {
	for list != nil {
		var item []byte
		if item, list = NextItem(list); asteri.EqualFold(item, token) {
			return true
		}
	}
	return false
}

// ListsItem tells whether a field that may be there several times, as one list,
// holds a token.
func ListsItem(h *asteri.Header, name, token string) bool {
	for v := range h.Values(name) {
		if HasItem(v, token) {
			return true
		}
	}
	return false
}
