package wire

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
)

const (
	// maxCertConns is of how many connections an encoder remembers what is below.
	maxCertConns = 64
	// maxCertChain bounds the certificates that go with each request, in bytes of
	// PEM; the client's own is always told.
	maxCertChain = 32 << 10
)

// clientCert is what applications are told of a client that has a certificate. The
// requests of a connection share it.
type clientCert struct {
	version, cipher uint16
	chain           []string // in PEM, the client's own first
	name            string   // RFC 4514
	failure         string   // why it is not to be believed; empty if it was verified
	environ         []variable
}

// variable is a key of the environ that is not a field.
type variable struct{ key, value string }

// clientCert returns what is to be told with r, or nil.
func (e *requestEncoder) clientCert(r *asteri.Request) *clientCert {
	state := r.Peer.TLS
	if state == nil || len(state.PeerCertificates) == 0 || e.Tornado {
		return nil
	}
	known := e.certs[state]
	if known == nil {
		if known = newClientCert(state); e.certs == nil {
			e.certs = make(map[*tls.ConnectionState]*clientCert)
		}
		if len(e.certs) >= maxCertConns {
			clear(e.certs)
		}
		e.certs[state] = known
	}
	return known
}

func newClientCert(state *tls.ConnectionState) *clientCert {
	own := state.PeerCertificates[0]
	c := &clientCert{version: state.Version, cipher: state.CipherSuite, name: distinguished(own.RawSubject)}
	verified := "SUCCESS"
	if len(state.VerifiedChains) == 0 { // an embedding program may ask for certificates and not judge them
		c.failure = "the certificate was not verified"
		verified = "FAILED:" + c.failure
	}
	size := 0
	for _, cert := range state.PeerCertificates {
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
		if size += len(text); size > maxCertChain && len(c.chain) > 0 {
			break
		}
		c.chain = append(c.chain, text)
	}
	c.environ = append(environOf(own),
		variable{"SSL_CLIENT_VERIFY", verified}, variable{"SSL_CLIENT_CERT", c.chain[0]},
		variable{"SSL_PROTOCOL", strings.Replace(tls.VersionName(state.Version), "TLS 1.", "TLSv1.", 1)},
		variable{"SSL_CIPHER", tls.CipherSuiteName(state.CipherSuite)})
	for i, text := range c.chain[1:] {
		c.environ = append(c.environ, variable{"SSL_CLIENT_CERT_CHAIN_" + strconv.Itoa(i), text})
	}
	return c
}

// environOf returns the variables of Apache's mod_ssl about a certificate.
func environOf(cert *x509.Certificate) []variable {
	return []variable{
		{"SSL_CLIENT_S_DN", distinguished(cert.RawSubject)},
		{"SSL_CLIENT_S_DN_CN", cert.Subject.CommonName},
		{"SSL_CLIENT_I_DN", distinguished(cert.RawIssuer)},
		{"SSL_CLIENT_M_SERIAL", fmt.Sprintf("%X", cert.SerialNumber)},
		{"SSL_CLIENT_V_START", cert.NotBefore.UTC().Format(time.RFC3339)},
		{"SSL_CLIENT_V_END", cert.NotAfter.UTC().Format(time.RFC3339)},
	}
}

// distinguished returns a name in the form of RFC 4514, with all its attributes in
// their order.
func distinguished(raw []byte) string {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &name); err != nil {
		return ""
	}
	return strings.ToValidUTF8(name.String(), "\uFFFD")
}

// tls writes the last element of an ASGI request.
func (e *requestEncoder) tls(c *clientCert) {
	e.Tuple(5)
	e.Int(int64(c.version))
	e.Int(int64(c.cipher))
	e.Tuple(len(c.chain))
	for _, text := range c.chain {
		e.Str(text)
	}
	e.Str(c.name)
	if c.failure == "" {
		e.None()
	} else {
		e.Str(c.failure)
	}
}
