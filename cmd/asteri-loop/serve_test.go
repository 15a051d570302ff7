package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/settings/selfsigned"
	"github.com/asteri/asteri-loop/status"
)

// writeCertificate makes a certificate for name and writes it, with its key, to
// dir/file.
func writeCertificate(t *testing.T, dir, file, name string) string {
	t.Helper()
	return writeCertificateOf(t, dir, file, name, time.Now())
}

// writeCertificateOf makes one whose validity of 397 days began at a time.
func writeCertificateOf(t *testing.T, dir, file, name string, from time.Time) string {
	t.Helper()
	cert, err := selfsigned.Certificate([]string{name}, from)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	data = append(data, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	path := filepath.Join(dir, file)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryModelServesTheDemonstration(t *testing.T) {
	for _, model := range config.Models {
		p := start(t, t.TempDir(), "-w", model)
		p.await("the demonstration under " + model)
		for _, scheme := range []string{"http", "https"} {
			if got := get(t, client(), p.url(scheme)+"/plaintext"); got.StatusCode != 200 || got.text != "Hello, World!" {
				t.Errorf("%s by %s: %d %q", model, scheme, got.StatusCode, got.text)
			}
		}
		p.signal(syscall.SIGTERM)
		if s := p.exit(); s != exitOK {
			t.Errorf("%s: status %d", model, s)
		}
	}
}

func TestSelfSignedIsSaid(t *testing.T) {
	p := start(t, t.TempDir())
	p.await("[INFO] https is answered with a self-signed certificate") // nobody has asked for TLS
	if strings.Contains(p.log.String(), "[WARNING]") && os.Geteuid() != 0 {
		t.Error("that is no reason to worry")
	}
	asked := start(t, t.TempDir(), "--protocols", "http", "--protocols", "https")
	asked.await("[WARNING] No --certfile: TLS is answered with a self-signed certificate")
	got := get(t, client(), p.url("https")+"/plaintext")
	if got.TLS.PeerCertificates[0].VerifyHostname("localhost") != nil || got.TLS.NegotiatedProtocol != "http/1.1" && got.TLS.NegotiatedProtocol != "" {
		t.Errorf("%+v", got.TLS)
	}
}

func TestCertificateRedirectsPlain(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, "--certfile", writeCertificate(t, dir, "a.pem", "a.example"))
	if strings.Contains(p.log.String(), "http://") || strings.Contains(p.log.String(), "self-signed") {
		t.Error("a port for TLS must not call itself plain, nor its certificate self-signed")
	}
	plain := strings.Replace(p.url("https"), "https:", "http:", 1)
	got := get(t, client(), plain+"/json?x=1")
	if got.StatusCode != 301 || got.Header.Get("Location") != p.url("https")+"/json?x=1" {
		t.Errorf("%d %q", got.StatusCode, got.Header.Get("Location"))
	}
	resp, err := client().Post(plain+"/echo", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 308 {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	if got := get(t, client(), p.url("https")+"/plaintext"); got.StatusCode != 200 {
		t.Errorf("https: %d", got.StatusCode)
	}
}

func TestProtocols(t *testing.T) {
	dir := t.TempDir()
	cert := writeCertificate(t, dir, "a.pem", "a.example")
	both := start(t, dir, "--certfile", cert, "--protocols", "http,https")
	for _, scheme := range []string{"http", "https"} {
		if got := get(t, client(), both.url(scheme)+"/plaintext"); got.StatusCode != 200 {
			t.Errorf("%s: %d", scheme, got.StatusCode)
		}
	}
	plain := start(t, dir, "--protocols", "http")
	if got := get(t, client(), plain.url("http")+"/plaintext"); got.StatusCode != 200 {
		t.Errorf("%d", got.StatusCode)
	}
	if _, err := client().Get(strings.Replace(plain.url("http"), "http:", "https:", 1)); err == nil {
		t.Error("TLS must not be spoken where only http is")
	}
}

func TestServerNamesAndReload(t *testing.T) {
	dir := t.TempDir()
	a, b := writeCertificate(t, dir, "a.pem", "a.example"), writeCertificate(t, dir, "b.pem", "b.example")
	p := start(t, dir, "--certfile", a, "--certfile", b)
	address := strings.TrimPrefix(p.url("https"), "https://")
	names := func(server string) []string {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, &tls.Config{ServerName: server, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].DNSNames
	}
	if got := names("b.example"); got[1] != "b.example" {
		t.Errorf("%q", got)
	}
	if got := names("unknown.example"); got[1] != "a.example" {
		t.Errorf("%q", got)
	}
	// A connection that is open while the certificates change goes on.
	keep := client()
	keep.Transport.(*http.Transport).DisableKeepAlives = false
	get(t, keep, p.url("https")+"/plaintext")
	writeCertificate(t, dir, "a.pem", "new.example")
	p.signal(syscall.SIGHUP)
	p.await("Reloaded")
	if got := get(t, keep, p.url("https")+"/plaintext"); got.TLS.PeerCertificates[0].DNSNames[1] != "a.example" {
		t.Error("the open connection was closed")
	}
	if got := names("new.example"); got[1] != "new.example" {
		t.Errorf("after the reload: %q", got)
	}
	// A broken certificate changes nothing.
	if err := os.WriteFile(a, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.await("The certificates stay as they were")
	if got := names("new.example"); got[1] != "new.example" {
		t.Errorf("after the broken one: %q", got)
	}
}

func TestClientCertificateRequired(t *testing.T) {
	dir := t.TempDir()
	cert := writeCertificate(t, dir, "a.pem", "a.example")
	p := start(t, dir, "--certfile", cert, "--ca-certs", cert, "--verify-client", "required")
	if _, err := client().Get(p.url("https") + "/plaintext"); err == nil {
		t.Error("a client without a certificate must be refused")
	}
}

func TestUnixSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	p := launch(t, dir, nil, "-b", "unix:s", "-m", "027")
	p.await("Running ")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if got := get(t, dialUnix(path), "http://localhost/plaintext"); got.text != "Hello, World!" {
		t.Errorf("%q", got.text)
	}
	p.signal(syscall.SIGINT)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestInheritedSocket(t *testing.T) {
	file, address := listenFile(t)
	p := &process{t: t, cmd: command(t.TempDir(), nil, "-b", "fd://3"), done: make(chan struct{})}
	p.cmd.ExtraFiles = []*os.File{file}
	p.run()
	p.await("Running ")
	if got := get(t, client(), "http://"+address+"/plaintext"); got.text != "Hello, World!" {
		t.Errorf("%q", got.text)
	}
}

func TestStatus(t *testing.T) {
	p := start(t, t.TempDir(), "-w", "tornado")
	var doc status.Report
	if err := json.Unmarshal([]byte(get(t, client(), p.url("http")+status.DefaultPath+".json").text), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Server.PID != p.cmd.Process.Pid || !doc.Ready || doc.Application.Model != "tornado" || doc.Connections != 1 || len(doc.Loops) == 0 {
		t.Errorf("%+v", doc)
	}
	for path, want := range map[string]string{status.DefaultLivePath: "ok\n", status.DefaultReadyPath: "ready\n"} {
		if got := get(t, client(), p.url("http")+path); got.text != want {
			t.Errorf("%s: %q", path, got.text)
		}
	}
	off := start(t, t.TempDir(), "--status", "off")
	if got := get(t, client(), off.url("http")+status.DefaultLivePath); got.StatusCode != 404 {
		t.Errorf("switched off: %d", got.StatusCode)
	}
}

func TestLimits(t *testing.T) {
	p := start(t, t.TempDir(), "--limit-request-line", "100", "--limit-request-fields", "6", "--limit-request-field_size", "200", "--max-body-size", "1k")
	long := strings.Repeat("x", 300)
	if got := get(t, client(), p.url("http")+"/"+long); got.StatusCode != 414 {
		t.Errorf("request line: %d", got.StatusCode)
	}
	for name, fields := range map[string]http.Header{"size": {"A": {long}}, "count": {"A": {"1"}, "B": {"2"}, "C": {"3"}, "D": {"4"}}} {
		req, err := http.NewRequest("GET", p.url("http")+"/plaintext", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = fields
		resp, err := client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 431 {
			t.Errorf("field %s: %d", name, resp.StatusCode)
		}
	}
	resp, err := client().Post(p.url("http")+"/echo", "text/plain", strings.NewReader(strings.Repeat("x", 2000)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("body: %d", resp.StatusCode)
	}
}
