package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// slow begins a request that takes ms, and returns where its status will come.
// It waits until the server has the request.
func slow(t *testing.T, p *process, ms string) <-chan int {
	t.Helper()
	status := make(chan int, 1)
	before := strings.Count(p.out.String(), "\n")
	go func() {
		resp, err := client().Get(p.url("http") + "/sleep/" + ms)
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	eventually(t, "the request is with the server", func() bool {
		return strings.Contains(get(t, client(), p.url("http")+"/asteri-status.json").text, `"connections": 2,`)
	})
	if strings.Count(p.out.String(), "/sleep/") > before {
		t.Fatal("the request is over already")
	}
	return status
}

func TestGracefulStopFinishesRequests(t *testing.T) {
	p := start(t, t.TempDir(), "--access-logfile", "-")
	status := slow(t, p, "700")
	p.signal(syscall.SIGTERM)
	p.await("Stopping: TERM")
	if got := <-status; got != 200 {
		t.Errorf("the request that ran got %d", got)
	}
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	if !strings.Contains(p.out.String(), `"GET /sleep/700 HTTP/1.1" 200`) {
		t.Errorf("the access log misses the last request:\n%s", p.out.String())
	}
	if !strings.HasSuffix(p.log.String(), "[INFO] Stopped\n") {
		t.Error("the end is not in the log")
	}
}

func TestQuickStop(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		p := start(t, t.TempDir())
		status := slow(t, p, "60000")
		p.signal(sig)
		if s := p.exit(); s != exitOK {
			t.Errorf("%v: status %d", sig, s)
		}
		if got := <-status; got == 200 {
			t.Errorf("%v: the request was answered", sig)
		}
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	p := start(t, t.TempDir())
	status := slow(t, p, "60000")
	p.signal(syscall.SIGTERM)
	p.await("Stopping: TERM")
	if !p.runs() {
		t.Error("the server must wait for its request")
	}
	p.signal(syscall.SIGINT)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	<-status
}

func TestGracefulTimeout(t *testing.T) {
	p := start(t, t.TempDir(), "--graceful-timeout", "300ms")
	status := slow(t, p, "60000")
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	if got := <-status; got == 200 {
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
	eventually(t, "a new file", func() bool { _, err := os.Stat(file); return err == nil })
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
