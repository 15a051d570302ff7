package tlsconf

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// openSSLNames are OpenSSL's names of the suites that crypto/tls has for TLS
// 1.2 and does not call insecure.
var openSSLNames = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-ECDSA-AES128-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES128-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES256-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-AES256-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
}

// Without other settings the server offers what Mozilla's "intermediate"
// recommendation has of what there is in crypto/tls: no suite of TLS 1.2 with CBC, and
// curves up to P-384, with the hybrids that are safe from a later quantum computer in
// front. crypto/tls chooses the order itself.
var (
	recommendedSuites = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	recommendedCurves = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384}
)

// cipherSuites reads a list of suites separated by colons, commas or spaces.
// Suites with finite-field Diffie-Hellman, which lists for OpenSSL often hold
// beside the others, and those of TLS 1.3, which cannot be chosen, are passed
// over; a list that leaves nothing is an error.
func cipherSuites(list string) ([]uint16, error) {
	known := make(map[string]uint16)
	for name, id := range openSSLNames {
		known[name] = id
	}
	fixed := []string{}
	for _, s := range tls.CipherSuites() {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			known[s.Name] = s.ID
		} else {
			fixed = append(fixed, s.Name)
		}
	}
	names := strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' })
	var suites []uint16
	for _, name := range names {
		upper := strings.ToUpper(name)
		id, ok := known[upper]
		switch {
		case ok:
			suites = append(suites, id)
		case strings.HasPrefix(upper, "DHE-") || slices.Contains(fixed, upper):
		default:
			return nil, fmt.Errorf("ciphers: %q is not a suite that is offered; there are %s", name, available())
		}
	}
	if len(names) == 0 {
		return recommendedSuites, nil
	}
	if len(suites) == 0 {
		return nil, fmt.Errorf("ciphers: %q leaves no suite for TLS 1.2; there are %s", list, available())
	}
	return suites, nil
}

func available() string {
	names := make([]string, 0, len(openSSLNames))
	for name := range openSSLNames {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
