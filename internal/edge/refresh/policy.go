package refresh

import (
	"strings"

	"github.com/asteri/asteri-loop"
)

// admits tells whether the Content-Security-Policy of a response lets the server's script run
// and listen, and with which nonce. All policies have to (Content Security Policy Level 3).
func admits(h *asteri.Header) (nonce string, ok bool) {
	for field := range h.Values("Content-Security-Policy") {
		for policy := range strings.SplitSeq(string(field), ",") {
			d := directives(policy)
			own, runs := d.script()
			if !runs || !d.connects() {
				return "", false
			}
			if nonce != "" && own != "" && own != nonce {
				return "", false // one element has one nonce
			}
			if own != "" {
				nonce = own
			}
		}
	}
	return nonce, true
}

// policy has the words of each directive.
type policy map[string][]string

func directives(text string) policy {
	p := make(policy)
	for directive := range strings.SplitSeq(text, ";") {
		words := strings.Fields(directive)
		if len(words) == 0 {
			continue
		}
		if name := strings.ToLower(words[0]); p[name] == nil { // the first one counts
			p[name] = words[:len(words):len(words)]
		}
	}
	return p
}

// first returns the words of the first directive that is there.
func (p policy) first(names ...string) (words []string, found bool) {
	for _, name := range names {
		if words, found = p[name]; found {
			return words[1:], true
		}
	}
	return nil, false
}

// script tells whether a script of the same origin runs, and with which nonce.
func (p policy) script() (nonce string, runs bool) {
	if sandbox, found := p.first("sandbox"); found && !has(sandbox, "allow-scripts") {
		return "", false
	}
	sources, found := p.first("script-src-elem", "script-src", "default-src")
	if !found {
		return "", true
	}
	for _, s := range sources {
		if n, ok := strings.CutPrefix(s, "'nonce-"); ok && strings.HasSuffix(n, "'") && isNonce(n[:len(n)-1]) {
			return n[:len(n)-1], true
		}
	}
	return "", (has(sources, "'self'") || has(sources, "*")) && !has(sources, "'strict-dynamic'")
}

// connects tells whether a page may have a stream from where it comes from.
func (p policy) connects() bool {
	if sandbox, found := p.first("sandbox"); found && !has(sandbox, "allow-same-origin") {
		return false
	}
	sources, found := p.first("connect-src", "default-src")
	return !found || has(sources, "'self'") || has(sources, "*")
}

func has(words []string, word string) bool {
	for _, w := range words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// isNonce tells whether s has no byte but those of base64.
func isNonce(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=") == ""
}
