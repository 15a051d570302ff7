package selfsigned

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestCertificate(t *testing.T) {
	now := time.Now()
	cert, err := Certificate([]string{"Build-7.example.org", "192.0.2.1", "127.0.0.1", "fe80::1", "bad name", "..", ""}, now)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "192.0.2.1", "fe80::1", "build-7.example.org"} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(cert.Leaf.DNSNames) != 2 || len(cert.Leaf.IPAddresses) != 4 {
		t.Errorf("names %q %v", cert.Leaf.DNSNames, cert.Leaf.IPAddresses)
	}
	if len(Fingerprint(cert)) != 32*3-1 {
		t.Errorf("fingerprint %s", Fingerprint(cert))
	}
}
