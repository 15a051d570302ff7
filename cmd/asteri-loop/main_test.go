package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/logtest"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "asteri-loop-test")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "asteri-loop")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// patience bounds every wait of the tests.
const patience = 30 * time.Second

// process is a running server.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  logtest.Text // standard output
	log  logtest.Text // standard error
	done chan struct{}
}

// command prepares the program with an environment that holds no setting.
func command(dir string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(name, "ASTERI_") && name != "PORT" && name != "WEB_CONCURRENCY" && !strings.HasSuffix(name, "_COLOR") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// start starts a server on a port of the system's choice, and waits until it is
// ready.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := launch(t, dir, nil, append([]string{"-b", "127.0.0.1:0"}, args...)...)
	p.await("Running ")
	return p
}

func launch(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(dir, env, args...), done: make(chan struct{})}
	p.run()
	return p
}

// run starts the process, and ends it with the test.
func (p *process) run() {
	t := p.t
	t.Helper()
	if p.cmd.Stdout == nil {
		p.cmd.Stdout = &p.out
	}
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the status is read from ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		if t.Failed() {
			t.Logf("%v logged:\n%s", p.cmd.Args, p.log.String())
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// await waits until the log contains text.
func (p *process) await(text string) {
	p.t.Helper()
	eventually(p.t, text, func() bool {
		select {
		case <-p.done:
			p.t.Fatalf("the server ended with status %d while it was to log %q", p.cmd.ProcessState.ExitCode(), text)
		default:
		}
		return strings.Contains(p.log.String(), text)
	})
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and returns the status.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatal("the server does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

var listening = regexp.MustCompile(`Listening at: (\S+)`)

// url returns the first address with scheme that the server said it listens at.
func (p *process) url(scheme string) string {
	p.t.Helper()
	for _, m := range listening.FindAllStringSubmatch(p.log.String(), -1) {
		if strings.HasPrefix(m[1], scheme+":") {
			return m[1]
		}
	}
	p.t.Fatalf("no %s address in the log", scheme)
	return ""
}

// client follows no redirects and trusts every certificate.
func client() *http.Client {
	return &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type answer struct {
	*http.Response
	text string
}

func get(t *testing.T, c *http.Client, url string) answer {
	t.Helper()
	resp, err := c.Get(url)
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

// once runs the program to its end.
func once(t *testing.T, dir string, env []string, args ...string) (status int, out, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := command(dir, env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// dialUnix is a client of a Unix socket.
func dialUnix(path string) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// listenFile returns a listening socket as a file to be inherited, and its
// address.
func listenFile(t *testing.T) (*os.File, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file, ln.Addr().String()
}
