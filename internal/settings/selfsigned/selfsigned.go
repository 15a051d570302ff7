// Package selfsigned makes a certificate for a server that was given none.
package selfsigned

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// validity is under the 398 days beyond which browsers refuse a certificate
// even if the user has chosen to trust it.
const validity = 397 * 24 * time.Hour

// Certificate makes a key (ECDSA P-256) and a certificate for localhost and
// for names, which are host names and IP addresses. now is the time that its
// validity begins, less a day for clocks that are behind.
func Certificate(names []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("self-signed certificate: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "asteri-loop self-signed"},
		NotBefore: now.Add(-24 * time.Hour),
		NotAfter:  now.Add(validity),
		KeyUsage:  x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{
			x509.ExtKeyUsageServerAuth,
		},
		BasicConstraintsValid: true,
	}
	addNames(template, append([]string{"localhost", "127.0.0.1", "::1"}, names...))
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("self-signed certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("self-signed certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func addNames(c *x509.Certificate, names []string) {
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			if !slices.ContainsFunc(c.IPAddresses, ip.Equal) {
				c.IPAddresses = append(c.IPAddresses, ip)
			}
			continue
		}
		name = strings.ToLower(name)
		if validName(name) && !slices.Contains(c.DNSNames, name) {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
}

// validName keeps what a host happens to call itself from spoiling the whole
// certificate.
func validName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" &&
		!strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".") && !strings.Contains(name, "..")
}

// Fingerprint returns the SHA-256 fingerprint of the certificate as browsers
// show it, for a user to compare.
func Fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}
