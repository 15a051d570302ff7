package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// Validity is until when a certificate can be used.
type Validity struct {
	// Name is the certificate's first: a host name, else an address, else its subject.
	Name string
	// From and Until are those of the certificate and of all of its chain that is sent.
	From, Until time.Time
}

// early is the longest time before its end at which a certificate should have been
// replaced. For one that does not live for long it is a quarter of that.
const early = 14 * 24 * time.Hour

// Ends tells whether a certificate has ended, or should have been replaced by now.
func (v *Validity) Ends(now time.Time) bool {
	return v.Until.Sub(now) < min(early, v.Until.Sub(v.From)/4)
}

// Validities returns those of the certificates in use, in their order. Of several with one
// name, such as one for each kind of key, it is the one that ends first.
func (s *Source) Validities() []Validity {
	var all []Validity
	known := make(map[string]int)
	for _, c := range s.Certificates() {
		v, ok := validityOf(&c)
		if !ok {
			continue
		}
		i, ok := known[v.Name]
		if !ok {
			known[v.Name] = len(all)
			all = append(all, v)
		} else if v.Until.Before(all[i].Until) {
			all[i] = v
		}
	}
	return all
}

func validityOf(c *tls.Certificate) (v Validity, ok bool) {
	for i, der := range c.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			continue // what is not a certificate in a chain is for clients to judge
		}
		if i == 0 {
			v, ok = Validity{nameOf(cert), cert.NotBefore, cert.NotAfter}, true
		}
		if cert.NotBefore.After(v.From) {
			v.From = cert.NotBefore
		}
		if cert.NotAfter.Before(v.Until) {
			v.Until = cert.NotAfter
		}
	}
	return v, ok
}

func nameOf(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	}
	return c.Subject.String()
}
