package main

import (
	"crypto/tls"
	"net"
	"os"
	"time"

	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/selfsigned"
	"github.com/asteri/asteri-loop/internal/tlsconf"
)

// openTLS loads the certificates, or makes one if none is given.
func (s *server) openTLS() (err error) {
	if !s.cfg.Serves("https") {
		return nil
	}
	if len(s.cfg.Certfiles) == 0 {
		if s.ownCert, err = ownCertificate(); err != nil {
			return err
		}
	}
	s.tls, err = tlsconf.NewSource(s.tlsOptions(s.cfg))
	return blameSettings(err)
}

// tlsOptions adds to the settings what they do not say: the certificate that was
// made, and the names that ALPN offers, which are those of the protocols.
func (s *server) tlsOptions(cfg *config.Config) tlsconf.Options {
	o := tlsconf.Options{
		CertFiles:    cfg.Certfiles,
		KeyFiles:     cfg.Keyfiles,
		CAFile:       cfg.CACerts,
		VerifyClient: cfg.VerifyClient,
		MinVersion:   cfg.SSLVersion,
		Ciphers:      cfg.Ciphers,
	}
	if s.ownCert != nil {
		o.Certificates = []tls.Certificate{*s.ownCert}
	}
	for _, p := range protocols(s.cfg, nil, nil) {
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
