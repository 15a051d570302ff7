package nethttp

import (
	"net/http"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop"
	"golang.org/x/net/http/httpguts"
)

// connectionFields are for one connection only (RFC 9110 section 7.6.1): they
// are the protocol's to send.
var connectionFields = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Transfer-Encoding": true, "Upgrade": true,
}

var lineEnds = strings.NewReplacer("\n", " ", "\r", " ")

// appendFields adds the fields of src that skip does not hold, in the order of
// their names. What net/http would not send either is left out or cleaned.
func appendFields(dst *asteri.Header, src http.Header, skip func(name string) bool) {
	names := make([]string, 0, len(src))
	for name := range src {
		if !skip(name) && httpguts.ValidHeaderFieldName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range src[name] {
			dst.Add(name, strings.TrimSpace(lineEnds.Replace(value)))
		}
	}
}

// trailerNames yields the names that the Trailer fields of h announce.
func trailerNames(h http.Header) (names []string) {
	for _, list := range h["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if httpguts.ValidTrailerHeader(name) {
				names = append(names, name)
			}
		}
	}
	return names
}
