package server

import (
	"crypto/tls"
	"net"
	"os"
	"time"

	"github.com/asteri/asteri-loop/internal/settings/selfsigned"
	"github.com/asteri/asteri-loop/internal/settings/tlsconf"
	"github.com/asteri/asteri-loop/status"
)

// TLS are the settings of https, which a reload takes over for new connections. Without
// certificates the server makes one for the names of its host, which no client trusts.
type TLS struct {
	// CertFiles are PEM files with a certificate and its chain. The name that a client
	// asks for picks one; the first is for all others. A reload reads them again.
	CertFiles []string
	// KeyFiles belong to CertFiles by position. If it is empty, those hold the keys.
	KeyFiles []string
	// Certificates come after those of files.
	Certificates []tls.Certificate
	// CAFile holds the authorities (PEM) of client certificates.
	CAFile string
	// VerifyClient is "none", "optional" or "required". Default none.
	VerifyClient string
	// MinVersion is "TLSv1_2" or "TLSv1_3". Default TLSv1_2.
	MinVersion string
	// Ciphers is a list of suites of TLS 1.2, by their names in OpenSSL or in RFCs.
	// Default those that are recommended.
	Ciphers string
}

func (t *TLS) hasCertificates() bool { return len(t.CertFiles)+len(t.Certificates) > 0 }
func (t *TLS) verifies() bool        { return t.VerifyClient != "" && t.VerifyClient != "none" }

// openTLS loads the certificates, or makes one if none is given.
func (s *Server) openTLS() (err error) {
	if !s.cfg.serves("https") {
		return nil
	}
	if !s.cfg.TLS.hasCertificates() {
		if s.ownCert, err = ownCertificate(); err != nil {
			return err
		}
	}
	s.tls, err = tlsconf.NewSource(s.tlsOptions(&s.cfg.TLS))
	return blame("TLS", err)
}

// tlsOptions adds to the settings what they do not say: the certificate that was
// made, and the names that ALPN offers, which are those of the protocols.
func (s *Server) tlsOptions(t *TLS) tlsconf.Options {
	o := tlsconf.Options{
		CertFiles: t.CertFiles, KeyFiles: t.KeyFiles, Certificates: t.Certificates,
		CAFile: t.CAFile, VerifyClient: t.VerifyClient, MinVersion: t.MinVersion, Ciphers: t.Ciphers,
	}
	if s.ownCert != nil {
		o.Certificates = append(o.Certificates, *s.ownCert)
	}
	for _, p := range s.cfg.protocols(nil, nil) {
		o.NextProtos = append(o.NextProtos, p.Name())
	}
	return o
}

// ownCertificate makes a certificate for all the names that this host has.
func ownCertificate() (*tls.Certificate, error) {
	var names []string
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				names = append(names, n.IP.String())
			}
		}
	}
	cert, err := selfsigned.Certificate(names, time.Now())
	return &cert, err
}

// warnOfCertificates says which certificates have ended, or are about to.
func (s *Server) warnOfCertificates() {
	if s.tls == nil {
		return
	}
	now := time.Now()
	for _, v := range s.tls.Validities() {
		until := v.Until.UTC().Format("2006-01-02 15:04:05 MST")
		switch {
		case !v.Until.After(now):
			s.log.Error("A certificate has expired: clients refuse it", "certificate", v.Name, "expired", until)
		case v.From.After(now):
			s.log.Error("A certificate is not valid yet: clients refuse it", "certificate", v.Name, "valid_from", v.From.UTC().Format("2006-01-02 15:04:05 MST"))
		case v.Ends(now):
			s.log.Warn("A certificate expires soon", "certificate", v.Name, "expires", until)
		}
	}
}

// certificates are those that clients get.
func (s *Server) certificates() []status.Certificate {
	if s.tls == nil {
		return nil
	}
	now := time.Now()
	var all []status.Certificate
	for _, v := range s.tls.Validities() {
		all = append(all, status.Certificate{Name: v.Name, NotAfter: v.Until.UTC(), Ends: v.Ends(now)})
	}
	return all
}
