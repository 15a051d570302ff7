//go:build linux

package suite

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen. It is generous: a
// loaded machine must not fail a test, and what does not happen is found anyway.
const patience = 30 * time.Second

// server is a running asteri-loop.
type server struct {
	t     testing.TB
	cmd   *exec.Cmd
	pid   int
	mark  string // in the environment of the server and of all it starts
	tmp   string // its TMPDIR
	addr  string // the first listener: host:port, or a path
	log   *output
	ended chan struct{}
}

// launch says how a server is started.
type launch struct {
	binary string // the usual one if empty
	dir    string // the working directory; one of the server's own if empty
	args   []string
	env    []string
	files  []*os.File // inherited from descriptor 3 on
	attr   *syscall.SysProcAttr
	// heirs says that other processes go on with the server's output when it has ended.
	heirs bool
}

// start starts the server with args on a free port of the loopback interface,
// unless args name a listener, and waits until it is ready to serve. It is
// stopped when the test ends.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	s := launchServer(t, launch{args: args})
	s.awaitReady()
	return s
}

// launchServer starts a server and does not wait for it.
func launchServer(t testing.TB, l launch) *server {
	t.Helper()
	tmp, err := os.MkdirTemp("", "asteri")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, tmp: tmp, mark: "SUITE_MARK=" + rand.Text(), log: &output{}, ended: make(chan struct{})}
	if !hasListener(l.args) {
		l.args = append([]string{"-l", "127.0.0.1:0"}, l.args...)
	}
	s.cmd = exec.Command(cmp.Or(l.binary, binary), l.args...)
	s.cmd.Dir = cmp.Or(l.dir, tmp)
	s.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + tmp, "TMPDIR=" + tmp, "LANG=C.UTF-8", s.mark,
		"PYTHONDONTWRITEBYTECODE=1", "GORACE=halt_on_error=0 exitcode=66",
	}, l.env...)
	s.cmd.ExtraFiles, s.cmd.SysProcAttr = l.files, l.attr
	s.cmd.Stdout, s.cmd.Stderr = s.log.stream(&s.log.out), s.log.stream(&s.log.err)
	if l.heirs {
		s.cmd.Stdout, s.cmd.Stderr = s.log.pipe(t, &s.log.out), s.log.pipe(t, &s.log.err)
	}
	// A child that outlives the server keeps its pipes: do not wait for it.
	s.cmd.WaitDelay = time.Second
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = s.cmd.Process.Pid
	ended := s.ended // s may become another process
	go func() {
		defer close(ended)
		_ = s.cmd.Wait() // the exit status is read from ProcessState
	}()
	t.Cleanup(s.finish)
	return s
}

func hasListener(args []string) bool {
	for _, arg := range args {
		if arg == "gunicorn" || arg == "explain" || arg == "--explain" || arg == "-l" || arg == "-b" || strings.HasPrefix(arg, "--bind") || strings.HasPrefix(arg, "--listen") || arg == "-c" {
			return true
		}
	}
	return false
}

// app returns the arguments for an application of the suite.
func app(name, model string, more ...string) []string {
	args := []string{"--python", python, "--chdir", appsDir, name}
	if model != "" {
		args = append(args, "-w", model)
	}
	return append(args, more...)
}

var listening = regexp.MustCompile(`(?m)\b(?:https?://((?:\[[0-9a-f:]+\]|[0-9.]+):[0-9]+)|unix:(/\S+))`)

// awaitReady waits for the start banner, which is printed when the application
// is ready, and takes the first listener from it.
func (s *server) awaitReady() {
	s.t.Helper()
	s.awaitLog(`Running .*event loop`)
	s.addr = s.listeners()[0]
}

// listeners returns the addresses that the banner names.
func (s *server) listeners() []string {
	s.t.Helper()
	var found []string
	for _, m := range listening.FindAllStringSubmatch(s.log.text(), -1) {
		if addr := m[1] + m[2]; !slices.Contains(found, addr) {
			found = append(found, addr)
		}
	}
	if len(found) == 0 {
		s.t.Fatalf("the banner names no listener\n%s", s.log.text())
	}
	return found
}

// in is the server as a subtest sees it: what goes wrong fails the subtest.
func (s *server) in(t testing.TB) *server {
	seen := *s
	seen.t = t
	return &seen
}

// awaitLog waits until the log matches pattern.
func (s *server) awaitLog(pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	s.eventually("the log matches "+pattern, func() bool { return re.MatchString(s.log.text()) })
}

// eventually waits for a condition of a running server.
func (s *server) eventually(what string, condition func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		select {
		case <-s.ended:
			if condition() {
				return
			}
			s.t.Fatalf("the server ended (%v) before %s\n%s", s.cmd.ProcessState, what, s.log.text())
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %v: %s\n%s", patience, what, s.log.tail())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// refusesConnections waits until it does: it has stopped listening.
func (s *server) refusesConnections() {
	s.t.Helper()
	s.eventually("new connections are refused", func() bool {
		conn, err := net.DialTimeout("tcp", s.addr, patience)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// signal sends a signal to the server's main process.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.pid, sig); err != nil {
		s.t.Fatalf("signal %v: %v\n%s", sig, err, s.log.tail())
	}
}

// wait waits for the server's end and returns its exit status, -1 after a
// signal.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatalf("the server did not end within %v\n%s\n%s", patience, s.autopsy(), s.log.text())
	}
	if s.pid != s.cmd.Process.Pid {
		return 0 // another process has started it, and knows
	}
	return s.cmd.ProcessState.ExitCode()
}

// autopsy ends a server that hangs, so that its log tells what its goroutines do, and
// returns what its threads do by the kernel's account.
func (s *server) autopsy() string {
	var threads strings.Builder
	for _, about := range []string{"status", "wchan", "syscall", "stack"} {
		names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/%s", s.pid, about)) // the pattern is good
		for _, name := range names {
			text, err := os.ReadFile(name)
			if lines := strings.SplitAfter(string(text), "\n"); len(lines) > 3 && about == "status" {
				text = []byte(lines[0] + lines[2]) // name and state
			}
			fmt.Fprintf(&threads, "%s: %s %v\n", name, text, err)
		}
	}
	_ = s.cmd.Process.Signal(syscall.SIGABRT)
	select {
	case <-s.ended:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
	}
	return threads.String()
}

// stop ends the server gracefully and expects success.
func (s *server) stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		s.t.Errorf("exit status %d after SIGTERM\n%s", code, s.log.tail())
	}
}

// finish is the end of every test: the server stops, and leaves nothing.
func (s *server) finish() {
	defer os.RemoveAll(s.tmp)
	select {
	case <-s.ended:
	default:
		s.stop()
	}
	s.checkNoProcessLeft()
	s.checkNoFileLeft()
	for _, sign := range []string{"DATA RACE", "fatal error:", "\npanic: ", "goroutine 1 ["} {
		if strings.Contains(s.log.text(), sign) {
			s.t.Errorf("the log holds %q\n%s", sign, s.log.text())
		}
	}
	if s.t.Failed() {
		s.t.Logf("log of %s:\n%s", strings.Join(s.cmd.Args, " "), s.log.tail())
	}
}

// checkNoProcessLeft waits for all processes that carry the mark to end, and
// ends those that do not.
func (s *server) checkNoProcessLeft() {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	left := marked(s.mark)
	for len(left) > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
		left = marked(s.mark)
	}
	for _, p := range left {
		s.t.Errorf("leaked process %d: %s", p.pid, p.command)
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
}

func (s *server) checkNoFileLeft() {
	s.t.Helper()
	if s.cmd.ProcessState.ExitCode() == -1 {
		return // killed: nobody was there to tidy up
	}
	entries, err := os.ReadDir(s.tmp)
	if err != nil {
		s.t.Error(err)
	}
	for _, e := range entries {
		s.t.Errorf("leaked file %s", filepath.Join(s.tmp, e.Name()))
	}
}

// execute runs the binary to its end, as a user of the command line does.
func execute(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	s := launchServer(t, launch{args: append([]string{"-l", "127.0.0.1:0"}, args...)})
	code = s.wait()
	return s.log.outText(), s.log.errText(), code
}

// output keeps what the server printed.
type output struct {
	mu       sync.Mutex
	out, err bytes.Buffer
	all      bytes.Buffer
}

// stream returns the writer of one of the two streams.
func (o *output) stream(to *bytes.Buffer) writer {
	return func(p []byte) (int, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.all.Write(p)
		return to.Write(p)
	}
}

// pipe is a stream that does not end with the server.
func (o *output) pipe(t testing.TB, to *bytes.Buffer) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(o.stream(to), r) // until all processes have closed it
	}()
	t.Cleanup(func() {
		w.Close()
		<-ended
		r.Close()
	})
	return w
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func (o *output) read(b *bytes.Buffer) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return b.String()
}

func (o *output) text() string    { return o.read(&o.all) }
func (o *output) outText() string { return o.read(&o.out) }
func (o *output) errText() string { return o.read(&o.err) }

// tail is the end of the log, as much as a failing test should show.
func (o *output) tail() string {
	const limit = 6000
	text := o.text()
	if len(text) > limit {
		text = "...\n" + text[len(text)-limit:]
	}
	return text
}

// dial opens a connection to the server's first listener.
func (s *server) dial() net.Conn {
	s.t.Helper()
	network := "tcp"
	if strings.HasPrefix(s.addr, "/") {
		network = "unix"
	}
	c, err := net.DialTimeout(network, s.addr, patience)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.t.Error(err)
		}
	})
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return c
}
