package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const settingsApp = `
import asyncio, os, sys, time
started = []

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]) / 1000)
    start_response("200 OK", [])
    return [("%s|%s" % (sys.executable, sys.path)).encode()]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            started.append(event)
            await send({"type": event + ".complete"})
            if event == "lifespan.shutdown":
                return
    text = "%s %s" % (type(asyncio.get_running_loop()).__module__, started)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})
`

func settingsDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "probe.py"), settingsApp)
	return dir
}

// dial connects to the server, plainly.
func dial(t *testing.T, p *process) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(p.url("http"), "http://"), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// rest reads until the server closes.
func rest(t *testing.T, conn net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTimeout(t *testing.T) {
	p := start(t, settingsDir(t), "probe:app", "-t", "3s") // in which also the next worker starts
	if got := get(t, client(), p.url("http")+"/sleep/20000"); got.StatusCode != 504 {
		t.Errorf("%d", got.StatusCode)
	}
	if got := get(t, client(), p.url("http")+"/"); got.StatusCode != 200 {
		t.Errorf("after it: %d", got.StatusCode)
	}
}

func TestNoTimeout(t *testing.T) {
	p := start(t, settingsDir(t), "probe:app", "-t", "0")
	if got := get(t, client(), p.url("http")+"/sleep/100"); got.StatusCode != 200 {
		t.Errorf("%d", got.StatusCode)
	}
}

func TestQueueSize(t *testing.T) {
	p := start(t, settingsDir(t), "probe:app", "--queue-size", "1", "-t", "60")
	statuses := make(chan int, 40)
	for range cap(statuses) {
		go func() {
			resp, err := client().Get(p.url("http") + "/sleep/1500")
			if err != nil {
				statuses <- 0
				return
			}
			resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	// The worker and the queue hold a few; the first answer is a refusal.
	if got := <-statuses; got != 503 {
		t.Errorf("%d", got)
	}
	p.signal(syscall.SIGQUIT)
	for range cap(statuses) - 1 {
		<-statuses
	}
}

func TestInterpreterAndPaths(t *testing.T) {
	dir, extra := settingsDir(t), t.TempDir()
	if out, err := exec.Command("python3", "-m", "venv", "--without-pip", filepath.Join(dir, "env")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := start(t, dir, "probe:app", "--pythonpath", extra+",/also", "--python", "env")
	got := get(t, client(), p.url("http")+"/").text
	for _, want := range []string{filepath.Join(dir, "env", "bin", "python") + "|", "'" + extra + "'", "'/also'"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	status, _, log := once(t, dir, nil, "probe:app", "--python", "/no/such/python", "-b", "127.0.0.1:0")
	if status != exitBoot || !strings.Contains(log, "cannot run /no/such/python") {
		t.Errorf("status %d\n%s", status, log)
	}
}

// A callable behind a decorator that does not say what it is.
func TestInterface(t *testing.T) {
	dir := t.TempDir()
	app := `
def app(*args):
    environ, start_response = args
    start_response("200 OK", [])
    return [b"wsgi"]
`
	writeFile(t, filepath.Join(dir, "wrapped.py"), app)
	status, _, log := once(t, dir, nil, "wrapped:app", "-k", "asgi", "-b", "127.0.0.1:0")
	if status != exitBoot || !strings.Contains(log, "use --interface wsgi") {
		t.Errorf("status %d\n%s", status, log)
	}
	p := start(t, dir, "wrapped:app", "-k", "asgi", "--interface", "wsgi")
	if got := get(t, client(), p.url("http")+"/").text; got != "wsgi" {
		t.Error(got)
	}
}

func TestASGISettings(t *testing.T) {
	dir := settingsDir(t)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--asgi-loop", "asyncio", "--lifespan", "off"}, "asyncio.unix_events []"},
		{[]string{"--asgi-loop", "asyncio", "--asgi-lifespan", "on"}, "asyncio.unix_events ['lifespan.startup']"},
	} {
		p := start(t, dir, append(tc.args, "probe:asgi")...)
		if got := get(t, client(), p.url("http")+"/").text; got != tc.want {
			t.Errorf("%v: %s", tc.args, got)
		}
	}
}

func TestClientTimeouts(t *testing.T) {
	p := start(t, t.TempDir(), "--header-timeout", "200ms", "--body-timeout", "200ms", "--keep-alive", "200ms")
	head := dial(t, p)
	_, _ = io.WriteString(head, "GET / HTTP/1.1\r\nHost: x\r\n")
	if got := rest(t, head); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("a head that does not end: %q", got)
	}
	body := dial(t, p)
	_, _ = io.WriteString(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
	if _, err := io.ReadAll(body); errors.Is(err, os.ErrDeadlineExceeded) { // the echo has begun, so it is cut off
		t.Error("a body that does not end: the connection is still open")
	}
	idle := dial(t, p)
	_, _ = io.WriteString(idle, "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := rest(t, idle); !strings.HasSuffix(got, "Hello, World!") {
		t.Errorf("an idle connection: %q", got)
	}
}

func TestNoLimitOnTheHead(t *testing.T) {
	p := start(t, t.TempDir(), "--limit-request-line", "0", "--limit-request-field_size", "0", "--limit-request-head", "1MiB")
	if got := get(t, client(), p.url("http")+"/plaintext?"+strings.Repeat("x", 100_000)); got.StatusCode != 200 {
		t.Errorf("%d", got.StatusCode)
	}
}

func TestMaxConnections(t *testing.T) {
	p := start(t, t.TempDir(), "--max-connections", "1")
	first := dial(t, p)
	_, _ = io.WriteString(first, "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil {
		t.Fatal(err)
	}
	if got := rest(t, dial(t, p)); got != "" {
		t.Errorf("%q", got)
	}
}

func TestTLSVersionAndCiphers(t *testing.T) {
	connect := func(p *process, c *tls.Config) (tls.ConnectionState, error) {
		c.InsecureSkipVerify = true
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", strings.TrimPrefix(p.url("https"), "https://"), c)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close()
		return conn.ConnectionState(), nil
	}
	p := start(t, t.TempDir(), "--ssl-version", "TLSv1_3")
	if _, err := connect(p, &tls.Config{MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 must be refused")
	}
	p = start(t, t.TempDir(), "--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384")
	state, err := connect(p, &tls.Config{MaxVersion: tls.VersionTLS12})
	if err != nil || state.CipherSuite != tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		t.Errorf("%s, %v", tls.CipherSuiteName(state.CipherSuite), err)
	}
}

func TestLogLevel(t *testing.T) {
	p := launch(t, t.TempDir(), nil, "-b", "127.0.0.1:0", "--log-level", "warning", "--protocols", "https")
	p.await("[WARNING] No --certfile")
	if strings.Contains(p.log.String(), "[INFO]") {
		t.Error("what is less important must not be logged")
	}
}

func TestHandshakeTimeout(t *testing.T) {
	p := start(t, t.TempDir(), "--handshake-timeout", "1s")
	conn := dial(t, p)
	_, _ = conn.Write([]byte{22, 3, 1, 2, 0, 1}) // the beginning of a ClientHello
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the server answered half a ClientHello")
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
}
