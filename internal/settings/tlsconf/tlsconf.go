// Package tlsconf makes the server's TLS configuration of its settings, and
// replaces it while connections use it.
package tlsconf

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
)

// Options are the settings.
type Options struct {
	// CertFiles are PEM files with a certificate and its chain. The name
	// that a client asks for (SNI) picks one; the first is for all others.
	CertFiles []string
	// KeyFiles belong to CertFiles by position. If it is empty, the
	// certificate files hold the keys.
	KeyFiles []string
	// Certificates come after those from files.
	Certificates []tls.Certificate
	// CAFile holds the authorities (PEM) of client certificates.
	CAFile string
	// VerifyClient is "none", "optional" or "required".
	VerifyClient string
	// MinVersion is "TLSv1_2" or "TLSv1_3".
	MinVersion string
	// Ciphers is a list of TLS 1.2 suites; empty for those that are recommended.
	Ciphers string
	// NextProtos are the ALPN names to offer, the preferred first.
	NextProtos []string
}

// Source holds the configuration in use. Config is given to the listener once;
// Load changes what new connections get, and leaves old ones alone.
type Source struct {
	current atomic.Pointer[tls.Config]
	outer   *tls.Config
}

// NewSource loads o.
func NewSource(o Options) (*Source, error) {
	s := new(Source)
	if err := s.Load(o); err != nil {
		return nil, err
	}
	// The session ticket keys live in the outer configuration, which makes
	// and rotates them: crypto/tls uses them for an inner one that has none
	// of its own. So sessions survive a reload.
	s.outer = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current.Load(), nil },
	}
	return s, nil
}

// Config returns the configuration for a listener. It is always the same one.
func (s *Source) Config() *tls.Config { return s.outer }

// Current returns what new connections get: another one after each Load.
func (s *Source) Current() *tls.Config { return s.current.Load() }

// Load replaces the configuration. After an error the present one stays.
func (s *Source) Load(o Options) error {
	c, err := build(o)
	if err != nil {
		return err
	}
	s.current.Store(c)
	return nil
}

// Certificates returns those in use, the first being the one for clients that
// ask for no known name.
func (s *Source) Certificates() []tls.Certificate { return s.current.Load().Certificates }

func build(o Options) (*tls.Config, error) {
	c := &tls.Config{NextProtos: o.NextProtos, MinVersion: tls.VersionTLS12, CurvePreferences: recommendedCurves}
	for i, certFile := range o.CertFiles {
		keyFile := certFile
		if i < len(o.KeyFiles) {
			keyFile = o.KeyFiles[i]
		}
		cert, err := loadPair(certFile, keyFile)
		if err != nil {
			return nil, err
		}
		c.Certificates = append(c.Certificates, cert)
	}
	c.Certificates = append(c.Certificates, o.Certificates...)
	if len(c.Certificates) == 0 {
		return nil, errors.New("TLS needs a certificate")
	}
	if o.MinVersion == "TLSv1_3" {
		c.MinVersion = tls.VersionTLS13
	}
	var err error
	if c.CipherSuites, err = cipherSuites(o.Ciphers); err != nil {
		return nil, err
	}
	return c, verifyClients(c, o)
}

// loadPair reads a certificate chain and its key. Its errors name the file.
func loadPair(certFile, keyFile string) (tls.Certificate, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key: %w", err)
	}
	switch {
	case encrypted(keyPEM):
		return tls.Certificate{}, fmt.Errorf("key %s is encrypted, and nobody is there to give the passphrase: decrypt it (openssl pkey -in %[1]s -out FILE)", keyFile)
	case certFile == keyFile && !bytes.Contains(keyPEM, []byte("PRIVATE KEY-----")):
		return tls.Certificate{}, fmt.Errorf("certificate %s: its file holds no private key: give --keyfile", certFile)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return cert, nil
}

// encrypted tells whether the first private key needs a passphrase: in PKCS #8, or
// in the form that OpenSSL had before (RFC 1421).
func encrypted(keyPEM []byte) bool {
	for block, rest := pem.Decode(keyPEM); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
		}
	}
	return false
}

func verifyClients(c *tls.Config, o Options) error {
	switch o.VerifyClient {
	case "", "none":
		return nil
	case "optional":
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case "required":
		c.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		return fmt.Errorf("verify_client: no such mode: %q", o.VerifyClient)
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return fmt.Errorf("client authorities: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("client authorities: no certificate in %s", o.CAFile)
	}
	return nil
}
