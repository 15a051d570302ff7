package tlsconf

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority issues certificates and writes them where a test wants them.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.write("ca.pem", certPEM(a.cert))
	return a
}

func (a *authority) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func (a *authority) write(name string, data []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// pair writes a certificate for names and its key into two files.
func (a *authority) pair(file string, names ...string) (certFile, keyFile string) {
	a.t.Helper()
	cert, key := a.issue(&x509.Certificate{
		DNSNames: names, Subject: pkix.Name{CommonName: file},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return a.write(file+".crt", certPEM(cert)), a.write(file+".key", keyPEM)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func mustSource(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := NewSource(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// handshake connects to s over a pipe and reads one byte, by which a TLS 1.3
// client also learns what the server thinks of it, and gets its ticket.
func handshake(t *testing.T, s *Source, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		server := tls.Server(far, s.Config())
		if server.Handshake() == nil {
			_, _ = server.Write([]byte{1})
		}
	}()
	conn := tls.Client(near, client)
	if err := conn.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return conn.ConnectionState(), err
}

func TestServerNamePicksTheCertificate(t *testing.T) {
	a := newAuthority(t)
	certA, keyA := a.pair("a", "a.example")
	certB, keyB := a.pair("b", "b.example", "*.b.example")
	s := mustSource(t, Options{CertFiles: []string{certA, certB}, KeyFiles: []string{keyA, keyB}, NextProtos: []string{"http/1.1"}})
	for name, want := range map[string]string{"a.example": "a", "b.example": "b", "x.b.example": "b", "other.example": "a"} {
		state, err := handshake(t, s, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := state.PeerCertificates[0].Subject.CommonName; got != want || state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%s: certificate %s, protocol %q", name, got, state.NegotiatedProtocol)
		}
	}
}

func TestReloadKeepsSessions(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a := newAuthority(t)
		certA, keyA := a.pair("a", "a.example")
		s := mustSource(t, Options{CertFiles: []string{certA}, KeyFiles: []string{keyA}})
		client := &tls.Config{RootCAs: a.pool(), ServerName: "a.example", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		if _, err := handshake(t, s, client); err != nil {
			t.Fatal(err)
		}
		certB, keyB := a.pair("b", "a.example")
		if err := s.Load(Options{CertFiles: []string{certB}, KeyFiles: []string{keyB}}); err != nil {
			t.Fatal(err)
		}
		state, err := handshake(t, s, client)
		if err != nil || !state.DidResume {
			t.Errorf("version %x: resumed %v, %v", version, state.DidResume, err)
		}
		client.ClientSessionCache = nil
		state, err = handshake(t, s, client)
		if err != nil || state.PeerCertificates[0].Subject.CommonName != "b" {
			t.Errorf("version %x: the new certificate is not in use: %v", version, err)
		}
	}
}

func TestFailedReloadKeepsTheOld(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.pair("a", "a.example")
	s := mustSource(t, Options{CertFiles: []string{cert}, KeyFiles: []string{key}})
	if err := s.Load(Options{CertFiles: []string{cert + ".missing"}}); err == nil {
		t.Fatal("a missing file must be an error")
	}
	if _, err := handshake(t, s, &tls.Config{RootCAs: a.pool(), ServerName: "a.example"}); err != nil {
		t.Error(err)
	}
}

func TestClientCertificates(t *testing.T) {
	a, strangers := newAuthority(t), newAuthority(t)
	cert, key := a.pair("server", "a.example")
	mine := clientPair(t, a, "mine")
	theirs := clientPair(t, strangers, "theirs")
	for _, tc := range []struct {
		mode   string
		client []tls.Certificate
		ok     bool
	}{
		{"none", nil, true}, {"none", mine, true},
		{"optional", nil, true}, {"optional", mine, true}, {"optional", theirs, false},
		{"required", nil, false}, {"required", mine, true}, {"required", theirs, false},
	} {
		s := mustSource(t, Options{CertFiles: []string{cert}, KeyFiles: []string{key}, VerifyClient: tc.mode, CAFile: filepath.Join(a.dir, "ca.pem")})
		config := &tls.Config{RootCAs: a.pool(), ServerName: "a.example"}
		if tc.client != nil { // whatever authorities the server names
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tc.client[0], nil }
		}
		if _, err := handshake(t, s, config); (err == nil) != tc.ok {
			t.Errorf("%s with %d certificates: %v", tc.mode, len(tc.client), err)
		}
	}
}

func clientPair(t *testing.T, a *authority, name string) []tls.Certificate {
	t.Helper()
	certFile, keyFile := a.pair(name, name)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{cert}
}

func TestVersionAndCiphers(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.pair("a", "a.example")
	o := Options{CertFiles: []string{cert}, KeyFiles: []string{key}, MinVersion: "TLSv1_3"}
	client := &tls.Config{RootCAs: a.pool(), ServerName: "a.example", MaxVersion: tls.VersionTLS12}
	if _, err := handshake(t, mustSource(t, o), client); err == nil {
		t.Error("TLS 1.2 must be refused where 1.3 is the minimum")
	}
	o.MinVersion = "TLSv1_2"
	for list, want := range map[string]uint16{
		"ECDHE-ECDSA-AES256-GCM-SHA384":                                            tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		"ecdhe-ecdsa-chacha20-poly1305":                                            tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256":                                  tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		"TLS_AES_128_GCM_SHA256:DHE-RSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES128-SHA": tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	} {
		o.Ciphers = list
		state, err := handshake(t, mustSource(t, o), client)
		if err != nil || state.CipherSuite != want {
			t.Errorf("%s: %s, %v", list, tls.CipherSuiteName(state.CipherSuite), err)
		}
	}
}

func TestCombinedFile(t *testing.T) {
	a := newAuthority(t)
	certFile, keyFile := a.pair("a", "a.example")
	var both bytes.Buffer
	for _, f := range []string{keyFile, certFile} {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		both.Write(data)
	}
	mustSource(t, Options{CertFiles: []string{a.write("both.pem", both.Bytes())}})
}

func TestErrors(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.pair("a", "a.example")
	_, other := a.pair("b", "b.example")
	empty := a.write("empty.pem", nil)
	sealed := a.write("sealed.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
	oldSealed := a.write("old.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("x")}))
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{}, "TLS needs a certificate"},
		{Options{CertFiles: []string{"/none.pem"}}, "certificate: open /none.pem: no such file or directory"},
		{Options{CertFiles: []string{cert}, KeyFiles: []string{"/none.key"}}, "key: open /none.key: no such file or directory"},
		{Options{CertFiles: []string{cert}}, "certificate " + cert + ": its file holds no private key: give --keyfile"},
		{Options{CertFiles: []string{cert}, KeyFiles: []string{sealed}}, "key " + sealed + " is encrypted"},
		{Options{CertFiles: []string{cert}, KeyFiles: []string{oldSealed}}, "key " + oldSealed + " is encrypted"},
		{Options{CertFiles: []string{cert}, KeyFiles: []string{other}}, "certificate " + cert + " with key " + other + ": tls: private key does not match public key"},
		{Options{CertFiles: []string{cert}, KeyFiles: []string{key}, VerifyClient: "required", CAFile: "/ca.pem"}, "client authorities: open /ca.pem: no such file or directory"},
		{Options{CertFiles: []string{cert}, KeyFiles: []string{key}, VerifyClient: "required", CAFile: empty}, "client authorities: no certificate in " + empty},
		{Options{CertFiles: []string{cert}, KeyFiles: []string{key}, Ciphers: "HIGH:!aNULL"}, `ciphers: "HIGH" is not a suite that is offered; there are ECDHE-ECDSA-AES128-GCM-SHA256`},
		{Options{CertFiles: []string{cert}, KeyFiles: []string{key}, Ciphers: "TLS_AES_128_GCM_SHA256"}, `ciphers: "TLS_AES_128_GCM_SHA256" leaves no suite for TLS 1.2`},
	} {
		_, err := NewSource(tc.o)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%+v:\n got %v\nwant %s", tc.o, err, tc.want)
		}
	}
}
