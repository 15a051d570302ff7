//go:build linux

package suite

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTLSDefaults: TLS 1.2 without CBC, and no curves but the usual ones.
func TestTLSDefaults(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	s := start(t, app("wsgi_probe:app", "sync", "--certfile", cert, "--keyfile", key)...)
	client := func(change func(*tls.Config)) error {
		config := &tls.Config{RootCAs: a.pool, ServerName: "localhost", MaxVersion: tls.VersionTLS12}
		change(config)
		c, err := s.handshake(config)
		c.Close()
		return err
	}
	for _, suite := range tls.CipherSuites() {
		if suite.SupportedVersions[0] != tls.VersionTLS12 {
			continue
		}
		err := client(func(c *tls.Config) { c.CipherSuites = []uint16{suite.ID} })
		switch {
		case strings.Contains(suite.Name, "_CBC_") && err == nil:
			t.Errorf("%s is spoken", suite.Name)
		case !strings.Contains(suite.Name, "_CBC_") && err != nil && strings.Contains(suite.Name, "_ECDSA_"): // as the certificate is
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
	for curve, spoken := range map[tls.CurveID]bool{tls.X25519: true, tls.CurveP256: true, tls.CurveP384: true, tls.CurveP521: false} {
		if err := client(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{curve} }); (err == nil) != spoken {
			t.Errorf("%v: %v", curve, err)
		}
	}
}

// TestUnixSocketDefaults: only user and group may connect, and who does is believed
// nothing unless a setting says so.
func TestUnixSocketDefaults(t *testing.T) {
	t.Parallel()
	claims := []string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"}
	for name, test := range map[string]struct {
		args     []string
		believed bool
	}{
		"default": {nil, false},
		"named":   {[]string{"--forwarded-allow-ips", "127.0.0.1,unix"}, true},
		"all":     {[]string{"--forwarded-allow-ips", "*"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "sock")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			path := filepath.Join(dir, "s")
			s := start(t, append([]string{"-l", "unix:" + path}, app("wsgi_probe:app", "sync", append(test.args, "--protocol", "uwsgi")...)...)...)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "mode", info.Mode().Perm(), 0o660)
			environ := decode[map[string]any](t, s.over(t, "http").get("/environ", claims...))
			equal(t, "believed", environ["REMOTE_ADDR"] == "192.0.2.7" && environ["wsgi.url_scheme"] == "https", test.believed)
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			status, _ := askRaw(t, c, uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/environ", "REMOTE_ADDR", "192.0.2.9"))
			equal(t, "uwsgi", status, 403) // --uwsgi-allow-from does not name it
		})
	}
}

// TestBodySizeDefault: a body beyond 1 GiB is refused before it is sent, in every
// version of HTTP, whatever the model.
func TestBodySizeDefault(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.server("localhost")
	for _, args := range [][]string{app("wsgi_probe:app", "sync"), app("wsgi_probe:app", "gthread", "--threads", "2"), app("wsgi_probe:app", "gevent"),
		app("asgi_probe:app", "asgi"), app("tornado_app:app", "tornado"), app("tornado_app:app", "gtornado")} {
		s := start(t, append(args, "--certfile", cert, "--keyfile", key, "--protocols", "http,https")...)
		for _, scheme := range versions {
			c := s.over(t, scheme)
			body, rest := io.Pipe() // nothing of it comes
			defer rest.Close()
			r := c.request("POST", "/", body)
			r.ContentLength = 1<<30 + 1
			response, err := c.http.Do(r)
			if err != nil {
				t.Fatalf("%v, %s: %v", args, scheme, err)
			}
			text, _ := io.ReadAll(response.Body)
			response.Body.Close()
			equal(t, "status over "+scheme, response.StatusCode, 413)
			contains(t, string(text), "413")
		}
	}
}

// TestRootIsWarned: whoever runs the server as root is told so, once.
func TestRootIsWarned(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync")...)
	want := 0
	if os.Geteuid() == 0 {
		want = 1
	}
	equal(t, "warnings", strings.Count(s.log.text(), "runs as root"), want)
}
