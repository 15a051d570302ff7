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

// tlsOptions brings the settings into the form of tlsconf. own is the
// certificate for a server that was given none.
func tlsOptions(cfg *config.Config, own *tls.Certificate, protocols []string) tlsconf.Options {
	o := tlsconf.Options{
		CertFiles:    cfg.Certfiles,
		KeyFiles:     cfg.Keyfiles,
		CAFile:       cfg.CACerts,
		VerifyClient: cfg.VerifyClient,
		MinVersion:   cfg.SSLVersion,
		Ciphers:      cfg.Ciphers,
		NextProtos:   protocols,
	}
	if own != nil {
		o.Certificates = []tls.Certificate{*own}
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
