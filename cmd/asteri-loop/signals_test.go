package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// running is a request that the server is answering: an echo whose body is not
// complete.
type running struct {
	t    *testing.T
	conn net.Conn
	body io.Reader
}

func begin(t *testing.T, p *process) *running {
	t.Helper()
	conn := dial(t, p)
	if _, err := io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	return &running{t, conn, resp.Body}
}

// finish completes the request and tells whether the answer is complete too.
func (r *running) finish() bool {
	r.t.Helper()
	_, _ = io.WriteString(r.conn, "cd") // fails if the server has closed, as the reading will
	rest, err := io.ReadAll(r.body)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Error("the connection is still open")
	}
	return err == nil && string(rest) == "cd"
}

func TestGracefulStopFinishesRequests(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, t.TempDir(), "--access-logfile", "-")
		request := begin(t, p)
		p.signal(sig)
		p.await("Stopping: " + signalName(sig))
		if !request.finish() {
			t.Error("the request that ran was cut off")
		}
		if s := p.exit(); s != exitOK {
			t.Errorf("status %d", s)
		}
		if !strings.Contains(p.out.String(), `"POST /echo HTTP/1.1" 200 4`) {
			t.Errorf("the access log misses the last request:\n%s", p.out.String())
		}
		if !strings.HasSuffix(p.log.String(), "[INFO] Stopped\n") {
			t.Error("the end is not in the log")
		}
	}
}

func TestQuickStop(t *testing.T) {
	p := start(t, t.TempDir())
	request := begin(t, p)
	p.signal(syscall.SIGQUIT)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	if request.finish() {
		t.Error("the request was answered")
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	for _, first := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, t.TempDir())
		request := begin(t, p)
		p.signal(first)
		p.await("Stopping: " + signalName(first) + "; a second signal stops at once")
		p.signal(syscall.SIGINT)
		if s := p.exit(); s != exitOK {
			t.Errorf("status %d", s)
		}
		if request.finish() || !strings.Contains(p.log.String(), "Stopping at once: INT") {
			t.Error("the request was answered")
		}
	}
}

func TestGracefulTimeout(t *testing.T) {
	p := start(t, t.TempDir(), "--graceful-timeout", "300ms")
	request := begin(t, p)
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	if request.finish() {
		t.Error("the request was answered")
	}
}

func TestReloadReadsTheSettings(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "asteri.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("access_logfile = 'one.log'\naccess_logformat = 'first %(U)s'")
	p := start(t, dir)
	get(t, client(), p.url("http")+"/plaintext")
	write("access_logfile = 'two.log'\naccess_logformat = 'second %(U)s'\nbacklog = 5")
	p.signal(syscall.SIGHUP)
	p.await("Changes of these settings need a restart: backlog")
	p.await("[INFO] Reloaded")
	get(t, client(), p.url("http")+"/json")
	for name, want := range map[string]string{"one.log": "first /plaintext\n", "two.log": "second /json\n"} {
		eventually(t, name, func() bool {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			return string(text) == want
		})
	}
	write("acess_logfile = 'x'")
	p.signal(syscall.SIGHUP)
	p.await(`[ERROR] Not reloaded, the settings stay as they were: asteri.toml: acess_logfile: no such setting; did you mean "access_logfile"?`)
	if got := get(t, client(), p.url("http")+"/plaintext"); got.StatusCode != http.StatusOK {
		t.Errorf("%d", got.StatusCode)
	}
}

func TestLogsAreReopened(t *testing.T) {
	dir := t.TempDir()
	p := launch(t, dir, nil, "-b", "127.0.0.1:0", "--error-logfile", "error.log")
	file := filepath.Join(dir, "error.log")
	contains := func(name, text string) func() bool {
		return func() bool {
			data, _ := os.ReadFile(name)
			return strings.Contains(string(data), text)
		}
	}
	eventually(t, "the log", contains(file, "Running "))
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR1)
	eventually(t, "a new file", contains(file, "The logs are open again"))
	p.signal(syscall.SIGTERM)
	p.exit()
	if !contains(file, "Stopping: TERM")() || contains(file+".1", "Stopping")() {
		t.Error("the log went on in the old file")
	}
}

func TestBrokenOutputDoesNotStopTheServer(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: command(t.TempDir(), nil, "-b", "127.0.0.1:0", "--access-logfile", "-"), done: make(chan struct{})}
	p.cmd.Stdout = w
	p.run()
	w.Close()
	p.await("Running ")
	r.Close()
	for range 3 {
		get(t, client(), p.url("http")+"/plaintext")
	}
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	if !strings.Contains(p.log.String(), "access log lines were lost lines=") {
		t.Error("the loss is not in the log")
	}
}
