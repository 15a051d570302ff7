//go:build linux

package suite

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// TestClientCertificatesReachApplications over every version of HTTP, and are those of
// clients only.
func TestClientCertificatesReachApplications(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	args := []string{
		"--certfile", cert, "--keyfile", key, "--ca-certs", a.file, "--verify-client", "optional",
		"--http-protocols", "h1,h2,h3", "--forwarded-allow-ips", "127.0.0.1",
	}
	shows := func(t *testing.T, s *server, look func(c *client, headers ...string) (name, proof string)) {
		own := a.client("ali \u00e9")
		proof := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}))
		for _, version := range []string{"1.1", "2", "3"} {
			with := a.clientOf(s, version, own)
			for range 2 { // what a connection's first request has, the next has
				gotName, gotProof := look(with)
				equal(t, "name over "+version, gotName, "CN=ali \u00e9")
				equal(t, "certificate over "+version, gotProof, proof)
			}
			gotName, gotProof := look(a.clientOf(s, version), "X-SSL-Client-Cert: forged", "SSL_CLIENT_S_DN: CN=mallory", "SSL-Client-S-DN: CN=mallory")
			equal(t, "without one over "+version, gotName+gotProof, "")
			gotName, gotProof = look(with, "X-Forwarded-For: 192.0.2.1")
			equal(t, "the proxy's over "+version, gotName+gotProof, "")
		}
	}
	t.Run("wsgi", func(t *testing.T) {
		t.Parallel()
		shows(t, start(t, app("wsgi_probe:app", "gthread", args...)...), func(c *client, headers ...string) (name, proof string) {
			environ := decode[map[string]any](t, c.get("/environ", headers...))
			name, _ = environ["SSL_CLIENT_S_DN"].(string)
			proof, _ = environ["SSL_CLIENT_CERT"].(string)
			if proof != "" {
				equal(t, "SSL_CLIENT_VERIFY", environ["SSL_CLIENT_VERIFY"], any("SUCCESS"))
				equal(t, "SSL_PROTOCOL", environ["SSL_PROTOCOL"], any("TLSv1.3"))
				equal(t, "SSL_CLIENT_I_DN", environ["SSL_CLIENT_I_DN"], any("CN=the authority"))
			}
			var text []byte // PEP 3333: UTF-8, read as latin-1
			for _, r := range name {
				text = append(text, byte(r))
			}
			return string(text), proof
		})
	})
	t.Run("asgi", func(t *testing.T) {
		t.Parallel()
		shows(t, start(t, app("asgi_probe:app", "asgi", args...)...), func(c *client, headers ...string) (name, proof string) {
			extension := decode[struct {
				Extensions struct {
					TLS *struct {
						Chain   []string `json:"client_cert_chain"`
						Name    string   `json:"client_cert_name"`
						Failure *string  `json:"client_cert_error"`
						Server  *string  `json:"server_cert"`
						Version int      `json:"tls_version"`
						Suite   int      `json:"cipher_suite"`
					}
				}
			}](t, c.get("/scope", headers...)).Extensions.TLS
			if extension == nil {
				return "", ""
			}
			equal(t, "version", extension.Version, tls.VersionTLS13)
			equal(t, "a suite of TLS 1.3", extension.Suite>>8, 0x13)
			if extension.Failure != nil || extension.Server != nil {
				t.Errorf("got %+v", extension)
			}
			return extension.Name, strings.Join(extension.Chain, "")
		})
	})
}

// clientOf returns a client of one version of HTTP with certificates.
func (a *authority) clientOf(s *server, version string, certificates ...tls.Certificate) *client {
	config := &tls.Config{RootCAs: a.pool, ServerName: "localhost", Certificates: certificates}
	if version == "3" {
		transport := &http3.Transport{TLSClientConfig: config}
		s.t.Cleanup(func() { _ = transport.Close() })
		return newClient(s.t, transport, "https://"+s.addr, version)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(version == "1.1")
	protocols.SetHTTP2(version == "2")
	transport := &http.Transport{TLSClientConfig: config, Protocols: &protocols}
	s.t.Cleanup(transport.CloseIdleConnections)
	return newClient(s.t, transport, "https://"+s.addr, version)
}
