//go:build linux

package suite

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// version writes an application that answers with its version.
func writeVersion(t testing.TB, dir, version string) {
	t.Helper()
	source := fmt.Sprintf(`import os
def app(environ, start_response):
    body = ("%s %%d" %% os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
`, version)
	// Replaced, not overwritten: a worker that starts meanwhile sees one or the other.
	fresh := filepath.Join(dir, "versioned.new")
	err := os.WriteFile(fresh, []byte(source), 0o600)
	if err == nil {
		err = os.Rename(fresh, filepath.Join(dir, "versioned.py"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func versionOf(c *client) string {
	var version string
	var pid int
	if _, err := fmt.Sscan(c.get("/").want(c.t, 200), &version, &pid); err != nil {
		c.t.Fatal(err)
	}
	return version
}

// TestReloadUnderLoad: HUP brings the new code, and no request fails.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeVersion(t, dir, "v0")
			s := start(t, "--python", python, "--chdir", dir, "versioned:app", "-w", model+":2")
			first := s.workers()

			var load sync.WaitGroup
			var stop atomic.Bool
			var served atomic.Int64
			for i := range 3 {
				load.Go(func() {
					c := s.over(t, "http")
					for !stop.Load() {
						r := c.request("GET", "/", nil)
						r.Close = i == 0 // one client without keep-alive
						a, err := c.try(r)
						if err != nil || a.StatusCode != 200 {
							t.Errorf("a request failed: %v %v", a.Response, err)
							return
						}
						served.Add(1)
					}
				})
			}
			c := s.over(t, "http")
			for round := 1; round <= 2; round++ {
				version := "v" + strconv.Itoa(round)
				writeVersion(t, dir, version)
				s.signal(syscall.SIGHUP)
				s.eventually("the new code serves", func() bool { return versionOf(c) == version })
			}
			s.eventually("the old workers are gone", func() bool {
				now := s.workers()
				return len(now) == 2 && !slices.ContainsFunc(first, func(pid int) bool { return slices.Contains(now, pid) })
			})
			stop.Store(true)
			load.Wait()
			t.Logf("%d requests during two reloads, none failed", served.Load())
		})
	}
}

// TestReloadOfBrokenCode: the last good version keeps serving until the code is
// mended.
func TestReloadOfBrokenCode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeVersion(t, dir, "good")
	s := start(t, "--python", python, "--chdir", dir, "versioned:app", "-w", "sync:2")
	c := s.over(t, "http")
	if err := os.WriteFile(filepath.Join(dir, "versioned.py"), []byte("def broken(:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.awaitLog(`SyntaxError`)
	for range 5 {
		equal(t, "version", versionOf(c), "good")
	}
	writeVersion(t, dir, "mended")
	s.signal(syscall.SIGHUP)
	s.eventually("the mended code serves", func() bool { return versionOf(c) == "mended" })
}

// TestReloadWithChildren: processes that the application has left running do not
// keep its old workers, nor the server, alive.
func TestReloadWithChildren(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync")...)
	c := s.over(t, "http")
	old := pidOf(t, c)
	child, err := strconv.Atoi(c.get("/spawn").want(t, 200))
	if err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.eventually("a new worker serves", func() bool { return pidOf(t, c) != old })
	s.eventually("the old worker is gone", func() bool { return !alive(old) })
	if !alive(child) {
		t.Error("the application's child was killed")
	}
	s.stop()
	kill(t, child)
}

// TestReloadFinishesRequests: a request inside an old worker is answered.
func TestReloadFinishesRequests(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync")...)
	c, g := s.over(t, "http"), newGate(t)
	held := s.hold(c, g)
	old := g.pids()[0]
	s.signal(syscall.SIGHUP)
	s.eventually("a new worker serves", func() bool { return pidOf(t, c) != old })
	g.open()
	equal(t, "the held request", held.answer().want(t, 200), "held")
	s.eventually("the old worker is gone", func() bool { return !alive(old) })
}

// TestMoreAndFewerWorkers: TTIN and TTOU.
func TestMoreAndFewerWorkers(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync")...)
	count := func(n int) {
		t.Helper()
		s.eventually(strconv.Itoa(n)+" workers run", func() bool { return len(s.workers()) == n })
	}
	count(1)
	s.signal(syscall.SIGTTIN)
	count(2)
	s.signal(syscall.SIGTTIN)
	count(3)
	s.signal(syscall.SIGTTOU)
	count(2)
	s.signal(syscall.SIGTTOU)
	count(1)
	s.signal(syscall.SIGTTOU) // the last one stays
	c := s.over(t, "http")
	for range 5 {
		pidOf(t, c)
	}
	count(1)
}

// TestMoreAndFewerWorkersOfMounts: the signals are for each application, of which
// each keeps one worker; a server behind a path has none.
func TestMoreAndFewerWorkersOfMounts(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync", "--mount", "/two=faults:app,workers=2,worker-class=gthread,threads=2",
		"--mount", "/elsewhere=http://127.0.0.1:1")...)
	count := func(main, two int) {
		t.Helper()
		s.eventually(fmt.Sprintf("%d and %d workers run", main, two), func() bool {
			at := map[string]int{}
			for _, w := range decode[struct {
				Workers []struct {
					At, State string
				}
			}](t, s.over(t, "http").get("/asteri-status.json")).Workers {
				if w.State == "IDLE" || w.State == "BUSY" {
					at[w.At]++
				}
			}
			return len(s.workers()) == main+two && at[""] == main && at["/two"] == two
		})
	}
	count(1, 2)
	s.signal(syscall.SIGTTIN)
	count(2, 3)
	s.signal(syscall.SIGTTOU)
	count(1, 2)
	s.signal(syscall.SIGTTOU)
	count(1, 1)
	s.signal(syscall.SIGTTIN)
	count(2, 2)
}

// TestGracefulStop: TERM refuses new connections and finishes what runs.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("faults:app", model)...)
			c, g := s.over(t, "http"), newGate(t)
			held := s.hold(c, g)
			s.signal(syscall.SIGTERM)
			s.refusesConnections()
			g.open()
			equal(t, "the held request", held.answer().want(t, 200), "held")
			equal(t, "exit status", s.wait(), 0)
		})
	}
}

// TestGracefulTimeout: what does not finish in time is ended.
func TestGracefulTimeout(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("faults:app", model, "--graceful-timeout", "1")...)
			held := s.hold(s.over(t, "http"), newGate(t))
			s.signal(syscall.SIGTERM)
			s.wait()
			<-held.done
			if held.err == nil && held.a.StatusCode < 500 {
				t.Errorf("the held request was answered %s", held.a.Status)
			}
		})
	}
}

// TestQuickStop: QUIT waits for nobody.
func TestQuickStop(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "gthread", "--threads", "2", "--graceful-timeout", "3600")...)
	held := s.hold(s.over(t, "http"), newGate(t))
	s.signal(syscall.SIGQUIT)
	s.wait()
	<-held.done
}

// TestSecondSignal: an operator in a hurry is obeyed.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync", "--graceful-timeout", "3600")...)
	s.hold(s.over(t, "http"), newGate(t))
	s.signal(syscall.SIGTERM)
	s.awaitLog(`(?i)stopping|shutting down|draining`)
	s.signal(syscall.SIGINT)
	s.wait()
}

// TestServerKilled: a front that is killed takes its workers with it. That
// nothing is left is checked after every test.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("faults:app", model+":2")...)
			equal(t, "workers", len(s.workers()), 2)
			held := s.hold(s.over(t, "http"), newGate(t))
			s.signal(syscall.SIGKILL)
			equal(t, "exit status", s.wait(), -1)
			<-held.done
			s.checkNoProcessLeft()
		})
	}
}

// TestProcessOne: in a container, what applications leave behind is the server's child.
func TestProcessOne(t *testing.T) {
	t.Parallel()
	container := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	const mount = "mount -t proc proc /proc && "
	probe := exec.Command("sh", "-c", mount+"true")
	probe.SysProcAttr = container
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("this system makes no container: %v %s", err, out)
	}
	args := append([]string{"-c", mount + `exec "$0" "$@"`, binary, "-l", "127.0.0.1:0"}, app("faults:app", "sync")...)
	s := launchServer(t, launch{binary: "sh", args: args, attr: container})
	s.awaitReady()
	c := s.over(t, "http")
	pid := c.get("/orphan").want(t, 200)
	s.eventually("the orphan's status is taken", func() bool { return c.get("/exists?pid="+pid).want(t, 200) == "False" })
	c.get("/pid").want(t, 200)
}

// TestWorkerSignalled: a worker that is sent TERM by hand is relieved, and
// nobody notices.
func TestWorkerSignalled(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync")...)
	c := s.over(t, "http")
	old := pidOf(t, c)
	if err := syscall.Kill(old, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.eventually("another worker serves", func() bool { return pidOf(t, c) != old })
	s.eventually("the worker is gone", func() bool { return !alive(old) })
}

// TestFullQueue: requests beyond the queue are refused at once, with a hint when
// to come again, and those in it are served.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync", "--queue-size", "3")...)
	c, g := s.over(t, "http"), newGate(t)
	held := s.hold(c, g)
	var refused, served int
	results := make(chan answer, 40)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { results <- c.send("GET", "/pid").answer() })
	}
	deadline := time.After(patience)
	for refused == 0 {
		select {
		case a := <-results:
			equal(t, "status", a.StatusCode, 503)
			if a.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			refused++
		case <-deadline:
			t.Fatal("nobody was refused")
		}
	}
	g.open()
	held.answer().want(t, 200)
	all.Wait()
	close(results)
	for a := range results {
		switch a.StatusCode {
		case 200:
			served++
		case 503:
			refused++
		default:
			t.Errorf("status %s", a.Status)
		}
	}
	if served < 3 {
		t.Errorf("%d served, %d refused", served, refused)
	}
}

// TestQueueForgets: a request whose client left while it waited is never run.
func TestQueueForgets(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync")...)
	c, g, forgotten := s.over(t, "http"), newGate(t), newGate(t)
	forgotten.open()
	held := s.hold(c, g)
	conn := s.dial()
	fmt.Fprintf(conn, "GET /hold?%s HTTP/1.1\r\nHost: x\r\n\r\n", forgotten.query())
	after := c.send("GET", "/pid") // behind it in the queue
	reset(t, conn)
	s.eventually("the front has noticed", func() bool { return openTo(t, s, conn) == 0 })
	g.open()
	held.answer().want(t, 200)
	after.answer().want(t, 200)
	equal(t, "runs of the forgotten request", len(forgotten.pids()), 0)
}

// openTo counts the server's established connections with conn's local address.
func openTo(t testing.TB, s *server, conn net.Conn) int {
	t.Helper()
	port := conn.LocalAddr().(*net.TCPAddr).Port
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	_, serverPort, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	local, err := strconv.Atoi(serverPort)
	if err != nil {
		t.Fatal(err)
	}
	return countConnections(string(table), local, port)
}
