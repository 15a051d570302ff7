//go:build linux

package suite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// environ is what a WSGI application saw.
type environ map[string]any

func (e environ) want(t *testing.T, key string, value any) {
	t.Helper()
	if e[key] != value {
		t.Errorf("%s: got %v, want %v", key, e[key], value)
	}
}

func environOf(t *testing.T, body string) environ {
	t.Helper()
	var e environ
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	return e
}

const proxyLine = "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n"

// TestForwarded: applications see the client behind a trusted proxy, and nobody
// else can make them see another.
func TestForwarded(t *testing.T) {
	t.Parallel()
	forwarded := []string{"X-Forwarded-For: 6.6.6.6, 192.0.2.7", "X-Forwarded-Proto: https"}
	t.Run("WSGI", func(t *testing.T) {
		s := start(t, app("wsgi_probe:app", "sync", "--access-logfile", "-", "--forwarder-headers", "SCRIPT_NAME,REMOTE_USER")...)
		c := s.over(t, "http")
		e := environOf(t, c.get("/environ", forwarded...).want(t, 200))
		e.want(t, "REMOTE_ADDR", "192.0.2.7")
		e.want(t, "REMOTE_PORT", "")
		e.want(t, "wsgi.url_scheme", "https")
		s.awaitLog(`192\.0\.2\.7 - - .* "GET /environ HTTP/1\.1" 200`)
		e = environOf(t, c.get("/app/environ", "SCRIPT_NAME: /app", "REMOTE_USER: bob", "Remote-User: eve").want(t, 200))
		e.want(t, "SCRIPT_NAME", "/app")
		e.want(t, "PATH_INFO", "/environ")
		e.want(t, "REMOTE_USER", "bob")
		e.want(t, "HTTP_REMOTE_USER", "bob")
		equal(t, "contradiction", c.get("/environ", "X-Forwarded-Proto: http", "X-Forwarded-Ssl: on").StatusCode, 400)
		equal(t, "status", c.get("/asteri-status.json", forwarded...).StatusCode, 403)
	})
	t.Run("ASGI", func(t *testing.T) {
		s := start(t, app("asgi_probe:app", "asgi")...)
		scope := environOf(t, s.over(t, "http").get("/scope", forwarded...).want(t, 200))
		equal(t, "client", scope["client"].([]any)[0], any("192.0.2.7"))
		scope.want(t, "scheme", "https")
		for _, path := range []string{"/app/scope", "/scope"} {
			scope = environOf(t, s.over(t, "http").get(path, "SCRIPT_NAME: /app").want(t, 200))
			scope.want(t, "root_path", "/app")
			scope.want(t, "path", "/app/scope")
		}
	})
	t.Run("Tornado", func(t *testing.T) {
		s := start(t, app("tornado_app:app", "tornado")...)
		seen := environOf(t, s.over(t, "http").get("/app/where/x", "SCRIPT_NAME: /app").want(t, 200))
		seen.want(t, "name", "x")
	})
	t.Run("strangers", func(t *testing.T) {
		s := start(t, app("wsgi_probe:app", "sync", "--forwarded-allow-ips", "192.0.2.1")...)
		e := environOf(t, s.over(t, "http").get("/environ", append(forwarded, "SCRIPT_NAME: /app")...).want(t, 200))
		e.want(t, "REMOTE_ADDR", "127.0.0.1")
		e.want(t, "wsgi.url_scheme", "http")
		e.want(t, "SCRIPT_NAME", "")
	})
}

// TestOnePort: what is switched on is told apart on one port.
func TestOnePort(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--proxy-protocol", "auto", "--protocol", "uwsgi", "--status-allow", "192.0.2.7")...)
	request := "GET /environ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	secured := func(c net.Conn) net.Conn {
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	plain := func(c net.Conn) net.Conn { return c }
	for name, tc := range map[string]struct {
		header, request string
		wrap            func(net.Conn) net.Conn
		want            environ
	}{
		"http":  {proxyLine, request, plain, environ{"REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "5000", "SERVER_PORT": "443", "wsgi.url_scheme": "http"}},
		"https": {proxyLine, request, secured, environ{"REMOTE_ADDR": "192.0.2.7", "wsgi.url_scheme": "https"}},
		"version 2": {"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x02\x30\x39\x01\xbb", request, plain,
			environ{"REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "12345"}},
		"uwsgi": {"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/environ", "REMOTE_ADDR", "192.0.2.9",
			"REMOTE_USER", "bob", "HTTPS", "on", "HTTP_HOST", "site.example", "UNHEARD_OF", "x"), plain,
			environ{"REMOTE_ADDR": "192.0.2.9", "REMOTE_USER": "bob", "wsgi.url_scheme": "https", "HTTP_HOST": "site.example", "SERVER_NAME": "site.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.in(t).dial()
			if _, err := io.WriteString(c, tc.header); err != nil {
				t.Fatal(err)
			}
			status, body := askRaw(t, tc.wrap(c), tc.request)
			equal(t, "status", status, 200)
			seen := environOf(t, body)
			for key, value := range tc.want {
				seen.want(t, key, value)
			}
		})
	}
	t.Run("uwsgi from a stranger", func(t *testing.T) {
		c := s.in(t).dial()
		if _, err := io.WriteString(c, proxyLine); err != nil {
			t.Fatal(err)
		}
		status, _ := askRaw(t, c, uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/environ"))
		equal(t, "status", status, 403)
	})
	t.Run("without a header", func(t *testing.T) {
		c := s.in(t).dial()
		_, _ = io.WriteString(c, request) // the connection may be gone before it is written
		if answer, err := io.ReadAll(c); len(answer) > 0 {
			t.Errorf("answered %q, %v", answer, err)
		}
		s.awaitLog(`a proxy's connection is refused .*PROXY header is missing`)
		status, body := askRaw(t, s.in(t).dial(), proxyLine+"GET /asteri-status.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		equal(t, "status", status, 200)
		contains(t, body, `"refused":{`, `"proxy_missing":1`)
	})
	t.Run("loopback by name only", func(t *testing.T) {
		header := "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"
		status, _ := askRaw(t, s.in(t).dial(), header+"GET /asteri-status.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		equal(t, "status", status, 403)
	})
}

// askRaw sends a request and reads the answer.
func askRaw(t *testing.T, c net.Conn, request string) (status int, body string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func uwsgiPacket(namesAndValues ...string) string {
	var b []byte
	for _, s := range namesAndValues {
		b = append(append(b, byte(len(s)), byte(len(s)>>8)), s...)
	}
	return string([]byte{0, byte(len(b)), byte(len(b) >> 8), 0}) + string(b)
}

// TestLimitsOfEachClient: the client behind the proxy is the one that counts.
func TestLimitsOfEachClient(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--limit-requests", "3/h:2", "--limit-exempt", "192.0.2.99")...)
	c := s.over(t, "http")
	from := func(client string) answer { return c.get("/pid", "X-Forwarded-For: "+client) }
	for range 2 {
		from("192.0.2.1").want(t, 200)
	}
	refused := from("192.0.2.1")
	equal(t, "status", refused.StatusCode, http.StatusTooManyRequests)
	if wait := refused.Header.Get("Retry-After"); len(wait) < 3 {
		t.Errorf("Retry-After: %q", wait)
	}
	from("192.0.2.2").want(t, 200)
	for range 5 {
		from("192.0.2.99").want(t, 200)
	}
	c.get("/livez").want(t, 200) // the server's own answers are not limited
}

const haproxyConf = `
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
listen front
    bind unix@DIR/front
    bind unix@DIR/relay accept-proxy
    server app BACKEND send-proxy-v2 check check-send-proxy
`

const nginxConf = `
daemon off;
pid DIR/pid;
error_log DIR/error.log;
worker_processes 1;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
	server {
		listen unix:DIR/front;
		location /uwsgi/ {
			uwsgi_param REQUEST_METHOD $request_method;
			uwsgi_param REQUEST_URI $request_uri;
			uwsgi_param PATH_INFO $document_uri;
			uwsgi_param QUERY_STRING $query_string;
			uwsgi_param CONTENT_TYPE $content_type;
			uwsgi_param CONTENT_LENGTH $content_length;
			uwsgi_param SERVER_PROTOCOL $server_protocol;
			uwsgi_param REMOTE_ADDR 192.0.2.8;
			uwsgi_param SCRIPT_NAME /uwsgi;
			uwsgi_pass BACKEND;
		}
		location /http/ {
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For "192.0.2.9";
			proxy_set_header X-Forwarded-Proto https;
			proxy_set_header SCRIPT_NAME /http;
			proxy_pass http://BACKEND;
		}
	}
}
`

// TestNginx has the real nginx in front of the server, where there is one.
func TestNginx(t *testing.T) {
	t.Parallel()
	path := find(t, "nginx")
	s := start(t, app("wsgi_probe:app", "sync", "--protocol", "uwsgi")...)
	owner, err := user.Current() // root's nginx would give its workers to nobody, who may not enter the folder
	if err != nil {
		t.Fatal(err)
	}
	nginx := func(s *server) *client {
		return runProxy(t, s, nginxConf, func(conf, dir string) *exec.Cmd {
			return exec.Command(path, "-c", conf, "-p", dir, "-g", "user "+owner.Username+";")
		})
	}
	c := nginx(s)
	e := environOf(t, c.get("/uwsgi/environ?a=1").want(t, 200))
	for key, value := range (environ{"REMOTE_ADDR": "192.0.2.8", "SCRIPT_NAME": "/uwsgi", "PATH_INFO": "/environ", "QUERY_STRING": "a=1", "HTTP_HOST": "localhost"}) {
		e.want(t, key, value)
	}
	body := strings.Repeat("0123456789", 100_000)
	equal(t, "upload by uwsgi", c.post("/uwsgi/read", "text/plain", body).want(t, 200), digest([]byte(body)))
	equal(t, "a stream by uwsgi", c.get("/uwsgi/generator?n=3").want(t, 200), "piece 0\npiece 1\npiece 2\n")
	asgi := start(t, app("asgi_probe:app", "asgi", "--protocol", "uwsgi")...)
	scope := environOf(t, nginx(asgi).get("/uwsgi/scope?a=1").want(t, 200))
	for key, value := range (environ{"root_path": "/uwsgi", "path": "/uwsgi/scope", "raw_path": "/uwsgi/scope", "query_string": "a=1"}) {
		scope.want(t, key, value)
	}
	e = environOf(t, c.get("/http/environ").want(t, 200))
	for key, value := range (environ{"REMOTE_ADDR": "192.0.2.9", "SCRIPT_NAME": "/http", "PATH_INFO": "/environ", "wsgi.url_scheme": "https"}) {
		e.want(t, key, value)
	}
}

// TestHAProxy has the real HAProxy in front of the server, where there is one. It
// passes on the client that it knows, from a header that it was sent itself, and
// says LOCAL for one at a Unix socket: then nobody is trusted.
func TestHAProxy(t *testing.T) {
	t.Parallel()
	path := find(t, "haproxy")
	s := start(t, app("wsgi_probe:app", "sync", "--proxy-protocol", "v2")...)
	var relay string
	c := runProxy(t, s, haproxyConf, func(conf, dir string) *exec.Cmd {
		relay = filepath.Join(dir, "relay")
		return exec.Command(path, "-db", "-f", conf)
	})
	e := environOf(t, c.get("/environ", "X-Forwarded-For: 6.6.6.6").want(t, 200))
	e.want(t, "REMOTE_ADDR", "127.0.0.1") // HAProxy's own, since it names nobody
	conn, err := net.DialTimeout("unix", relay, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	status, body := askRaw(t, conn, proxyLine+"GET /environ HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n")
	equal(t, "relayed", status, 200)
	e = environOf(t, body)
	e.want(t, "REMOTE_ADDR", "192.0.2.7")
	e.want(t, "REMOTE_PORT", "5000")
	e.want(t, "SERVER_PORT", "443")
	equal(t, "status", c.get("/asteri-status.json").StatusCode, 403)
}

// find returns where a proxy is installed, or skips the test: what it sends is
// replayed by the tests of the packages that read it.
func find(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (scripts/proxies.sh installs it)", name)
	}
	return path
}

// runProxy runs a proxy in front of s, by a configuration in which DIR and BACKEND
// stand for a folder of its own and for s, and returns a client of it. It listens
// at DIR/front.
func runProxy(t *testing.T, s *server, conf string, command func(conf, dir string) *exec.Cmd) *client {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy") // a short path: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("DIR", dir, "BACKEND", s.addr).Replace(conf)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(file, dir)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the proxy says: %s", output.Bytes())
		}
	})
	front := *s
	front.addr = filepath.Join(dir, "front")
	s.eventually("the proxy listens", func() bool {
		c, err := net.DialTimeout("unix", front.addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	c := front.over(t, "http")
	s.eventually("the proxy has found the server", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		a, err := c.try(c.request("GET", "/", nil).WithContext(ctx))
		return err == nil && a.StatusCode != http.StatusServiceUnavailable
	})
	return c
}
