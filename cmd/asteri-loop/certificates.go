package main

import (
	"time"

	"github.com/asteri/asteri-loop/status"
)

// warnOfCertificates says which certificates have ended, or are about to.
func (s *server) warnOfCertificates() {
	if s.tls == nil {
		return
	}
	now := time.Now()
	for _, v := range s.tls.Validities() {
		until := v.Until.UTC().Format("2006-01-02 15:04:05 MST")
		switch {
		case !v.Until.After(now):
			s.logs.Error("A certificate has expired: clients refuse it", "certificate", v.Name, "expired", until)
		case v.From.After(now):
			s.logs.Error("A certificate is not valid yet: clients refuse it", "certificate", v.Name, "valid_from", v.From.UTC().Format("2006-01-02 15:04:05 MST"))
		case v.Ends(now):
			s.logs.Warn("A certificate expires soon", "certificate", v.Name, "expires", until)
		}
	}
}

// certificates are those that clients get.
func (s *server) certificates() []status.Certificate {
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
