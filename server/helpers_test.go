package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/settings/selfsigned"
	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/server"
)

// patience bounds every wait.
const patience = 30 * time.Second

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start runs a server as an embedder would, until the end of the test, and looks for
// what it leaves.
func start(t *testing.T, cfg server.Config) *server.Server {
	t.Helper()
	leakcheck.Check(t)
	if len(cfg.Listen.Addresses) == 0 {
		cfg.Listen.Addresses = []string{"127.0.0.1:0"}
	}
	if cfg.Logs.Logger == nil {
		cfg.Logs.Logger = slog.New(slog.DiscardHandler)
	}
	srv, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := srv.Ready(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return srv
}

// text answers with itself.
type text string

func (s text) ServeExchange(x asteri.Exchange) {
	var h asteri.Header
	h.Add("Content-Type", "text/plain; charset=utf-8")
	_ = x.Respond(http.StatusOK, &h, []byte(s))
}

// client speaks one version of HTTP, and believes every server.
func client(t *testing.T, version string) *http.Client {
	trusting := &tls.Config{InsecureSkipVerify: true}
	if version == "h3" {
		transport := &http3.Transport{TLSClientConfig: trusting}
		t.Cleanup(func() { transport.Close() })
		return &http.Client{Transport: transport, Timeout: patience}
	}
	transport := &http.Transport{TLSClientConfig: trusting, Protocols: new(http.Protocols), DisableCompression: true}
	transport.Protocols.SetHTTP1(version == "h1")
	transport.Protocols.SetHTTP2(version == "h2")
	transport.Protocols.SetUnencryptedHTTP2(version == "h2")
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type answer struct {
	*http.Response
	text string
}

// get asks; fields are names and values.
func get(t *testing.T, c *http.Client, url string, fields ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(bounded(t), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// url is where a server is reached.
func url(srv *server.Server, scheme, path string) string {
	return scheme + "://" + srv.Addrs().Clients[0].String() + path
}

// writeCertificate makes a certificate for name, and writes it and its key to path.
func writeCertificate(t *testing.T, path, name string) string {
	t.Helper()
	cert, err := selfsigned.Certificate([]string{name}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	writeFile(t, path, string(append(data, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)))
	return path
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
