package uwsgi_test

import (
	"bytes"
	"context"
	"fmt"
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

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/internal/protocol/uwsgi"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/loop"
)

// patience ends what hangs.
const patience = 20 * time.Second

// tell answers with what it sees of the request, and its content.
type tell struct {
	x    asteri.Exchange
	body bytes.Buffer
}

func serveTell(x asteri.Exchange) {
	t := &tell{x: x}
	x.ReadBody(t)
}

func (t *tell) OnBody(p []byte) {
	t.body.Write(p)
	t.x.Consumed(len(p))
}

func (t *tell) OnError(err error) { t.x.Abort(err) }

func (t *tell) OnEnd(*asteri.Header) {
	r := t.x.Request()
	var h asteri.Header
	h.Add("Content-Type", "text/plain")
	_ = t.x.Inform(103, &h) // which the proxy would take for the answer
	text := fmt.Sprintf("%s %s %v %s %v user=%s root=%s one=%s\n", r.Method, r.Path, r.Proto, r.Scheme, r.Peer.Remote.Addr(),
		r.Peer.Proxy.User, r.Peer.Proxy.Root, r.Header.Get("X-One"))
	if string(r.Path) == "/stream" {
		_ = t.x.Start(200, &h)
		_, _ = t.x.Write([]byte(text))
		_, _ = t.x.Write(t.body.Bytes())
		_ = t.x.Finish(nil)
		return
	}
	_ = t.x.Respond(200, &h, append([]byte(text), t.body.Bytes()...))
}

// serve listens for uwsgi and HTTP on one port.
func serve(t *testing.T, addr string, allow ...string) net.Addr {
	t.Helper()
	set, err := addrset.Parse(allow)
	if err != nil {
		t.Fatal(err)
	}
	plain := asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(200, nil, []byte("http")) })
	return enginetest.Start(t, loop.Config{Loops: 2}).ListenWith(loop.ListenConfig{Addr: addr, Protocols: []loop.Protocol{
		uwsgi.Protocol(set, asteri.HandlerFunc(serveTell)), http1.Protocol(plain),
	}})
}

// exchange sends bytes, in pieces of size, and returns all that comes back.
func exchange(t *testing.T, addr net.Addr, p []byte, size int) string {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	for len(p) > 0 {
		n := min(size, len(p))
		if _, err := c.Write(p[:n]); err != nil {
			t.Fatal(err)
		}
		p = p[n:]
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	p, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestServe(t *testing.T) {
	tcp := serve(t, "127.0.0.1:0", "127.0.0.1")
	unix := serve(t, "unix:"+filepath.Join(t.TempDir(), "s"), "unix")
	for _, addr := range []net.Addr{tcp, unix} {
		for _, size := range []int{1, 7, 1 << 20} {
			answer := exchange(t, addr, recorded(t, "nginx-1.22-post.bin"), size)
			head, body, _ := strings.Cut(answer, "\r\n\r\n")
			if !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || !strings.Contains(head, "\r\nConnection: close\r\n") ||
				body != "POST /post HTTP/1.1 http 127.0.0.1 user= root= one=\nhello=world" {
				t.Errorf("%v in pieces of %d: %q", addr, size, answer)
			}
		}
	}
	if answer := exchange(t, tcp, []byte("GET / HTTP/1.0\r\n\r\n"), 100); !strings.HasSuffix(answer, "\r\n\r\nhttp") {
		t.Errorf("HTTP on the same port: %q", answer)
	}
}

func TestServeRefuses(t *testing.T) {
	stranger := exchange(t, serve(t, "127.0.0.1:0", "192.0.2.1"), recorded(t, "nginx-1.22-get.bin"), 100)
	if !strings.HasPrefix(stranger, "HTTP/1.1 403 Forbidden\r\n") {
		t.Errorf("a stranger gets %q", stranger)
	}
	addr := serve(t, "127.0.0.1:0", "*")
	if answer := exchange(t, addr, []byte("\x00\x03\x00\x00abc"), 100); !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
		t.Errorf("a malformed packet gets %q", answer)
	}
	// Proxies do not read chunks.
	stream := bytes.ReplaceAll(recorded(t, "nginx-1.22-get.bin"), []byte("/a%2Fb//c?q=%20x"), []byte("/stream?q=abcdef"))
	stream = bytes.ReplaceAll(stream, []byte("/a/b/c"), []byte("/strea")) // of the same length
	stream = bytes.ReplaceAll(stream, []byte("PATH_INFO"), []byte("PATH_XXXX"))
	answer := exchange(t, addr, stream, 100)
	if strings.Contains(answer, "chunked") || !strings.HasSuffix(answer, "one=1\n") {
		t.Errorf("a response of unknown length: %q", answer)
	}
}

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
	client_max_body_size 10m;
	server {
		listen unix:DIR/front;
		uwsgi_param REQUEST_METHOD $request_method;
		uwsgi_param REQUEST_URI $request_uri;
		uwsgi_param PATH_INFO $document_uri;
		uwsgi_param QUERY_STRING $query_string;
		uwsgi_param CONTENT_TYPE $content_type;
		uwsgi_param CONTENT_LENGTH $content_length;
		uwsgi_param SERVER_PROTOCOL $server_protocol;
		uwsgi_param REQUEST_SCHEME https;
		uwsgi_param REMOTE_ADDR 192.0.2.7;
		uwsgi_param REMOTE_USER $http_x_user;
		location / { uwsgi_pass BACKEND; }
		location /app/ { uwsgi_param SCRIPT_NAME /app; uwsgi_param REQUEST_METHOD $request_method; uwsgi_param REQUEST_URI $request_uri;
			uwsgi_param SERVER_PROTOCOL $server_protocol; uwsgi_pass BACKEND; }
	}
}
`

// The real nginx, where there is one; elsewhere its recorded bytes have to do.
func TestNginx(t *testing.T) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("there is no nginx; TestServe has what it sends")
	}
	client := startNginx(t, path, serve(t, "127.0.0.1:0", "127.0.0.1"))
	big := strings.Repeat("0123456789abcdef", 1<<16)
	for _, tc := range []struct{ method, path, body, want string }{
		{"GET", "/a%20b?x=1", "", "GET /a%20b HTTP/1.1 https 192.0.2.7 user=bob root= one=\u00e9\n"},
		{"POST", "/p", "hello", "POST /p HTTP/1.1 https 192.0.2.7 user=bob root= one=\u00e9\nhello"},
		{"PUT", "/stream", big, "PUT /stream HTTP/1.1 https 192.0.2.7 user=bob root= one=\u00e9\n" + big},
		{"GET", "/app/x", "", "GET /app/x HTTP/1.1 http invalid IP user= root=/app one=\u00e9\n"},
	} {
		req, err := http.NewRequest(tc.method, "http://site.example"+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-One", "\u00e9")
		req.Header.Set("X-User", "bob")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || string(got) != tc.want {
			t.Errorf("%s %s: %d, %v, %.200q; want %.200q", tc.method, tc.path, res.StatusCode, err, got, tc.want)
		}
	}
}

// startNginx runs nginx in front of backend and returns a client of it.
func startNginx(t *testing.T, path string, backend net.Addr) *http.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "uwsgi") // a short path: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	conf := filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("DIR", dir, "BACKEND", backend.String()).Replace(nginxConf)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	owner, err := user.Current() // root's nginx would give its workers to nobody, who may not enter dir
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-c", conf, "-p", dir, "-g", "user "+owner.Username+";")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx says: %s", output.Bytes())
		}
	})
	front := filepath.Join(dir, "front")
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", front) }
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", front); err == nil {
			c.Close()
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen: %v; %s", err, output.Bytes())
		}
	}
	transport := &http.Transport{DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}
