package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// certified returns a certificate with a name that shows what becomes of it.
func certified(t testing.TB) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xABCDEF), NotBefore: at, NotAfter: at.AddDate(1, 0, 0),
		Subject: pkix.Name{Organization: []string{"a, b"}, CommonName: "ali é"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestRequestWithACertificate(t *testing.T) {
	cert := certified(t)
	const name = `CN=ali é,O=a\, b`
	state := &tls.ConnectionState{
		Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, PeerCertificates: []*x509.Certificate{cert},
	}
	chain := strings.Repeat("x", maxCertChain) // stands for one that is too long to go with each request
	for _, verified := range []bool{true, false} {
		r := requestOf("SSL_CLIENT_VERIFY", "SUCCESS", "SSL-Client-Verify", "SUCCESS")
		own := *state
		r.Peer.TLS = &own
		failure, verify := any("the certificate was not verified"), "FAILED:the certificate was not verified"
		if verified {
			own.VerifiedChains = [][]*x509.Certificate{{cert}}
			failure, verify = nil, "SUCCESS"
		}
		environ := encoded(t, true, r, Content{})[6].(map[string]any)
		for key, want := range map[string]string{
			"SSL_CLIENT_VERIFY": verify, "SSL_CLIENT_S_DN": latin1(name), "SSL_CLIENT_S_DN_CN": latin1("ali é"),
			"SSL_CLIENT_I_DN": latin1(name), "SSL_CLIENT_M_SERIAL": "ABCDEF", "SSL_CLIENT_V_START": "2026-01-02T03:04:05Z",
			"SSL_CLIENT_V_END": "2027-01-02T03:04:05Z", "SSL_PROTOCOL": "TLSv1.3", "SSL_CIPHER": "TLS_AES_128_GCM_SHA256",
			"HTTP_SSL_CLIENT_VERIFY": "SUCCESS",
		} {
			if environ[key] != want {
				t.Errorf("%s is %q, want %q", key, environ[key], want)
			}
		}
		proof, _ := environ["SSL_CLIENT_CERT"].(string)
		if !strings.HasPrefix(proof, "-----BEGIN CERTIFICATE-----\n") {
			t.Errorf("SSL_CLIENT_CERT is %q", proof)
		}

		for root, n := range map[string]int{"": 13, "/app": 13} {
			r.Peer.Proxy = &asteri.Proxy{Root: root}
			got := encoded(t, false, r, Content{})
			want := []any{[]byte(root), []any{int64(tls.VersionTLS13), int64(tls.TLS_AES_128_GCM_SHA256), []any{proof}, name, failure}}
			if len(got) != n || !reflect.DeepEqual(got[11:], want) {
				t.Errorf("got  %q\nwant %q", got[11:], want)
			}
		}
	}

	big := *cert
	big.Raw = []byte(chain)
	state.PeerCertificates = []*x509.Certificate{&big, cert}
	if got := newClientCert(state).chain; len(got) != 1 {
		t.Errorf("%d certificates go with a request, of which the first is as long as all may be", len(got))
	}
}

// latin1 is text as PEP 3333 has it: its UTF-8, read as latin-1.
func latin1(text string) string {
	var out []rune
	for _, c := range []byte(text) {
		out = append(out, rune(c))
	}
	return string(out)
}

// TestCertificatesAreForgotten: what an encoder remembers of connections is bounded.
func TestCertificatesAreForgotten(t *testing.T) {
	cert := certified(t)
	e := requestEncoder{}
	r := requestOf()
	for range 3 * maxCertConns {
		r.Peer.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
		if first := e.clientCert(r); e.clientCert(r) != first {
			t.Fatal("a connection's certificate was read twice")
		}
		if len(e.certs) > maxCertConns {
			t.Fatalf("%d connections are remembered", len(e.certs))
		}
	}
}
