//go:build linux

package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// controlled starts a server with a control socket, which is in its directory for files.
func controlled(t *testing.T, args ...string) (*server, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.sock")
	s := start(t, append([]string{"--control-socket", path}, args...)...)
	return s, path
}

// ctl runs asteri-loop ctl.
func ctl(t testing.TB, path string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	command := exec.Command(binary, append([]string{"ctl", "--control-socket", path, "--timeout", patience.String()}, args...)...)
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), log.String(), command.ProcessState.ExitCode()
}

// obeyed runs ctl and expects success.
func obeyed(t testing.TB, path string, args ...string) string {
	t.Helper()
	out, log, code := ctl(t, path, args...)
	if code != 0 || log != "" {
		t.Fatalf("ctl %v: %d\n%s%s", args, code, out, log)
	}
	return out
}

// refused runs ctl and expects one line of complaint and an exit status.
func refused(t testing.TB, path string, want int, says string, args ...string) {
	t.Helper()
	out, log, code := ctl(t, path, args...)
	line, _, _ := strings.Cut(log, "\n")
	if code != want || out != "" || !strings.Contains(line, says) || want == 1 && strings.Count(log, "\n") != 1 {
		t.Errorf("ctl %v: %d %q %q, want %d and %q", args, code, out, log, want, says)
	}
}

// workersAt lists the workers of an application that serve, as ctl sees them.
func workersAt(t testing.TB, path, at string) (pids []int) {
	t.Helper()
	var staff struct {
		Workers []struct {
			PID       int
			At, State string
		}
	}
	if err := json.Unmarshal([]byte(obeyed(t, path, "workers", "--json")), &staff); err != nil {
		t.Fatal(err)
	}
	for _, w := range staff.Workers {
		if w.At == at && (w.State == "IDLE" || w.State == "BUSY") {
			pids = append(pids, w.PID)
		}
	}
	return pids
}

// TestControl: what an operator looks at and changes, of all applications or of one.
func TestControl(t *testing.T) {
	t.Parallel()
	s, path := controlled(t, app("faults:app", "sync", "--mount", "/two=faults:app,workers=2", "--mount", "/ng=http://127.0.0.1:1", "--status", "off")...)
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info, err)
	}
	s.over(t, "http").get("/asteri-status.json").want(t, 500) // is the application's, which has no such path
	for _, want := range []string{"ready        yes\n", fmt.Sprintf("pid %d,", s.pid), "/two  faults:app  sync\n", "workers      3\n"} {
		if out := obeyed(t, path, "status"); !strings.Contains(out, want) {
			t.Errorf("status has no %q:\n%s", want, out)
		}
	}
	count := func(main, two int) {
		t.Helper()
		s.eventually(fmt.Sprintf("%d and %d workers", main, two), func() bool {
			return len(s.workers()) == main+two && len(workersAt(t, path, "")) == main && len(workersAt(t, path, "/two")) == two
		})
	}
	count(1, 2)
	equal(t, "scale", obeyed(t, path, "scale", "3", "--app", "/two"), "/two  3 workers\n")
	count(1, 3)
	equal(t, "scale --json", obeyed(t, path, "--json", "--app", "/", "scale", "2"), `{"scaled":[{"app":"/","workers":2}]}`+"\n")
	count(2, 3)
	obeyed(t, path, "remove-worker")
	count(1, 2)
	equal(t, "the last one stays", obeyed(t, path, "remove-worker", "--app", "/"), "/  1 worker\n")
	obeyed(t, path, "add-worker", "--app", "/")
	count(2, 2)

	equal(t, "log-level", obeyed(t, path, "log-level"), "info\n")
	equal(t, "log-level", obeyed(t, path, "log-level", "debug"), "debug\n")
	refused(t, path, 1, "no such log level", "log-level", "loud")

	refused(t, path, 2, "0: the number of workers must be from 1", "scale", "0")
	refused(t, path, 2, "-1: the number of workers must be from 1", "scale", "-1")
	refused(t, path, 2, `"many": must be a number`, "scale", "many")
	refused(t, path, 2, "did you mean reload?", "relaod")
	refused(t, path, 2, "give a command", "--json")
	refused(t, path, 2, "unknown flag: --loud", "status", "--loud")
	refused(t, path, 1, "no application is called", "scale", "2", "--app", "/three")
	refused(t, path, 1, "no application is called", "scale", "2", "--app", "faults:app") // which is served twice
	refused(t, path, 1, "no worker processes to scale", "scale", "2", "--app", "/ng")
	refused(t, path, 1, "no worker that serves has this process id", "kill-worker", strconv.Itoa(os.Getpid()))
	count(2, 2)
	s.awaitLog(`Asked for at the control socket action=scale uid=\d+ client=\d+`)

	refused(t, path+".none", 1, "no server has a control socket at ", "status")
	other := launchServer(t, launch{args: []string{"--control-socket", path}})
	if code := other.wait(); code == 0 || !strings.Contains(other.log.errText(), path+": bind: address already in use") {
		t.Errorf("a second server at the same socket: %d\n%s", code, other.log.errText())
	}
	obeyed(t, path, "stop")
	equal(t, "exit status", s.wait(), 0)
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is still there")
	}
	refused(t, path, 1, "no server has a control socket at ", "status")
}

// TestControlOfWorkers: the requests of a worker that is killed go to another; one that is
// to be replaced finishes what it has.
func TestControlOfWorkers(t *testing.T) {
	t.Parallel()
	s, path := controlled(t, app("faults:app", "sync")...)
	c, g := s.over(t, "http"), newGate(t)
	held := s.hold(c, g)
	old := g.pids()[0]
	s.eventually("the request is shown", func() bool {
		return strings.Contains(obeyed(t, path, "requests"), "RUNNING  "+strconv.Itoa(old))
	})
	if out := obeyed(t, path, "stacks"); !strings.Contains(out, "Process "+strconv.Itoa(old)) || !strings.Contains(out, "faults.py") {
		t.Errorf("stacks:\n%s", out)
	}
	if out := obeyed(t, path, "stacks", strconv.Itoa(s.pid)); !strings.Contains(out, "goroutine ") {
		t.Errorf("stacks of the server:\n%s", out)
	}
	obeyed(t, path, "restart-worker", strconv.Itoa(old))
	s.eventually("a new worker serves", func() bool { return pidOf(t, c) != old })
	g.open()
	equal(t, "the held request", held.answer().want(t, 200), "held")
	s.eventually("the old worker is gone", func() bool { return !alive(old) })

	again := newGate(t)
	held = s.hold(c, again)
	victim := again.pids()[0]
	obeyed(t, path, "kill-worker", strconv.Itoa(victim))
	s.eventually("another worker has the request", func() bool { return len(again.pids()) == 2 })
	again.open()
	equal(t, "the request of the killed worker", held.answer().want(t, 200), "held")
	s.awaitLog(`worker killed .*reason="it was asked for"`)
}

// TestControlOfReloads: ctl waits for the end of a reload, says why one has failed, and of
// several applications reloads the one that is named.
func TestControlOfReloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeVersion(t, dir, "v0")
	config := filepath.Join(dir, "asteri.toml")
	path := filepath.Join(dir, "c.sock")
	text := fmt.Sprintf("bind = '127.0.0.1:0'\ncontrol_socket = %q\nchdir = %q\npython = %q\n[[mount]]\npath = '/one'\napp = 'versioned:app'\n[[mount]]\npath = '/two'\napp = 'versioned:app'\n", path, dir, python)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := launchServer(t, launch{args: []string{"-c", config}})
	s.awaitReady()
	c := s.over(t, "http")
	version := func(at string) string {
		version, _, _ := strings.Cut(c.get(at+"/").want(t, 200), " ")
		return version
	}
	fromFile := func(args ...string) (string, int) {
		command := exec.Command(binary, append([]string{"ctl", "-c", config}, args...)...)
		out, _ := command.CombinedOutput() // the status says how it went
		return string(out), command.ProcessState.ExitCode()
	}
	untouched := workersAt(t, path, "/one")
	writeVersion(t, dir, "v1")
	if out, code := fromFile("reload", "--app", "/two"); code != 0 || out != "Reloaded.\n" {
		t.Fatalf("%d %s", code, out)
	}
	equal(t, "/one", version("/one"), "v0")
	equal(t, "/two", version("/two"), "v1")
	if now := workersAt(t, path, "/one"); !slices.Equal(now, untouched) {
		t.Errorf("the workers of /one were %v and are %v", untouched, now)
	}
	equal(t, "reload", obeyed(t, path, "reload"), "Reloaded.\n")
	equal(t, "/one", version("/one"), "v1")

	if err := os.WriteFile(filepath.Join(dir, "versioned.py"), []byte("def broken(:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, 1, "SyntaxError", "reload")
	if out, _, code := ctl(t, path, "reload", "--json"); code != 1 || !strings.Contains(out, `"error":{"code":"failed"`) {
		t.Errorf("%d %s", code, out)
	}
	equal(t, "/one", version("/one"), "v1")
	if err := os.WriteFile(config, []byte(text+"nonsense = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := fromFile("reload"); code != 1 || !strings.Contains(out, "nonsense") {
		t.Errorf("%d %s", code, out)
	}
	equal(t, "/two", version("/two"), "v1")
}

// TestControlSocketOfADeadServer is replaced.
func TestControlSocketOfADeadServer(t *testing.T) {
	t.Parallel()
	s, path := controlled(t)
	s.signal(syscall.SIGKILL)
	s.wait()
	refused(t, path, 1, "the file is that of a dead one", "status")
	again := start(t, "--control-socket", path)
	if out := obeyed(t, path, "status"); !strings.Contains(out, fmt.Sprintf("pid %d,", again.pid)) {
		t.Errorf("status:\n%s", out)
	}
}

// TestRubbishAtTheControlSocket: nobody who sends it holds up others, or leaves anything.
func TestRubbishAtTheControlSocket(t *testing.T) {
	t.Parallel()
	s, path := controlled(t)
	descriptors := func() int {
		names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	obeyed(t, path, "status")
	before := descriptors()
	dial := func() net.Conn {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	half := dial() // which is answered when its time is over
	if _, err := io.WriteString(half, `{"version":1,"comm`); err != nil {
		t.Fatal(err)
	}
	for _, rubbish := range []string{strings.Repeat("x", 10<<20), "\x00\xff\n", "{}\n", "[1,2]\n", `{"version":1,"command":"kill-worker","pid":1}` + "\n"} {
		c := dial()
		_, _ = io.WriteString(c, rubbish) // who is refused is answered all the same
		text, err := io.ReadAll(c)
		if err != nil || !bytes.HasPrefix(text, []byte(`{"version":1,"ok":false,"error":{`)) || bytes.Count(text, []byte("\n")) != 1 {
			t.Errorf("%.20q: %q, %v", rubbish, text, err)
		}
		c.Close()
	}
	for range 20 { // who leaves in the middle
		c := dial()
		_, _ = io.WriteString(c, `{"ver`)
		c.Close()
	}
	s.over(t, "http").get("/plaintext").want(t, 200)
	if text, err := io.ReadAll(half); err != nil || !bytes.Contains(text, []byte("no complete line within 5s")) {
		t.Errorf("half a message: %q, %v", text, err)
	}
	half.Close()
	obeyed(t, path, "status")
	s.eventually("all descriptors are closed", func() bool { return descriptors() <= before })
}

// TestDrainDelay: a server that is to stop says so and serves on, new connections too, by
// every protocol, until the delay is over or somebody ends it.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"TERM", "drain"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s, path := controlled(t, app("faults:app", "gthread", "--threads", "4", "--http-protocols", allVersions, "--drain-delay", "1h")...)
			kept := s.over(t, "http")
			kept.get("/readyz").want(t, 200)
			var load sync.WaitGroup
			var stop atomic.Bool
			for _, version := range versions {
				load.Go(func() {
					for !stop.Load() {
						c := s.over(t, version) // a new connection each time
						a, err := c.try(c.request("GET", "/pid", nil))
						if err != nil || a.StatusCode != 200 {
							t.Errorf("%s: %v, %v", version, a.Response, err)
							return
						}
					}
				})
			}
			if how == "TERM" {
				s.signal(syscall.SIGTERM)
			} else {
				equal(t, "drain", obeyed(t, path, "drain"), "The server drains.\n")
			}
			s.awaitLog("Serving on, and not ready any more")
			kept.get("/readyz").want(t, 503)
			for _, version := range versions {
				s.over(t, version).get("/readyz").want(t, 503)
				s.over(t, version).get("/pid").want(t, 200)
			}
			s.eventually("ctl says so", func() bool { return strings.Contains(obeyed(t, path, "status"), "ready        no: stopping\n") })
			refused(t, path, 1, "starting or stopping", "reload")
			stop.Store(true)
			load.Wait()
			g := newGate(t)
			held := s.hold(kept, g)
			s.signal(syscall.SIGTERM) // ends the delay, and not what runs
			s.refusesConnections()
			g.open()
			equal(t, "the held request", held.answer().want(t, 200), "held")
			equal(t, "exit status", s.wait(), 0)
		})
	}
}

// TestDrainDelayIsOver: without a second signal the delay has an end; INT has none.
func TestDrainDelayIsOver(t *testing.T) {
	t.Parallel()
	s := start(t, "--drain-delay", "300ms")
	s.signal(syscall.SIGTERM)
	equal(t, "exit status", s.wait(), 0)
	s.awaitLog("Serving on, and not ready any more")
	quick := start(t, "--drain-delay", "1h")
	quick.signal(syscall.SIGINT)
	equal(t, "exit status", quick.wait(), 0)
	late := start(t, "--drain-delay", "1h")
	late.signal(syscall.SIGTERM)
	late.awaitLog("Serving on, and not ready any more")
	late.signal(syscall.SIGQUIT)
	equal(t, "exit status", late.wait(), 0)
}
