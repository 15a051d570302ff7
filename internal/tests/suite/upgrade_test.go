//go:build linux

package suite

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
)

// upgradable starts a server from a copy of the binary, which a test may replace, with a
// control socket.
func upgradable(t *testing.T, args ...string) (s *server, program, control string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "up") // short: the path of a socket has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, control = filepath.Join(dir, "server"), filepath.Join(dir, "c.sock")
	install(t, binary, program)
	s = launchServer(t, launch{binary: program, heirs: true, args: append([]string{"--control-socket", control}, args...)})
	s.awaitReady()
	return s, program, control
}

// install puts a program in the place of another as package managers do.
func install(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".new", text, 0o755)
	}
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// script puts a shell script in the place of a program.
func script(t testing.TB, to string, lines ...string) {
	t.Helper()
	from := to + ".sh"
	if err := os.WriteFile(from, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

var serves = regexp.MustCompile(`^Process (\d+) serves\.\n$`)

// upgrade upgrades the server by its control socket. From then on s is the new process.
func (s *server) upgrade(control string) {
	s.t.Helper()
	out := obeyed(s.t, control, "upgrade")
	m := serves.FindStringSubmatch(out)
	if m == nil {
		s.t.Fatalf("ctl upgrade: %q", out)
	}
	pid, _ := strconv.Atoi(m[1])
	s.become(pid)
}

// become waits for the end of the process, and has s be another one.
func (s *server) become(pid int) {
	s.t.Helper()
	old := s.pid
	s.eventuallyOf(func() bool { return !alive(old) }, "the old process ends")
	ended := make(chan struct{})
	go func() {
		for alive(pid) {
			time.Sleep(5 * time.Millisecond)
		}
		close(ended)
	}()
	s.pid, s.ended = pid, ended
}

// eventuallyOf waits for a condition also of what comes behind the server's end.
func (s *server) eventuallyOf(condition func() bool, what string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %v: %s\n%s", patience, what, s.log.tail())
		}
	}
}

// strictLoad asks over one connection after another until stop, without a second try: each
// request has to be answered, and a connection may end behind an answer that says so only.
func (s *server) strictLoad(t *testing.T, stop *atomic.Bool, path string) (answered int) {
	for !stop.Load() {
		network := "tcp"
		if strings.HasPrefix(s.addr, "/") {
			network = "unix"
		}
		c, err := net.DialTimeout(network, s.addr, patience)
		if err != nil {
			t.Errorf("after %d answers: %v", answered, err)
			return answered
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		r := bufio.NewReader(c)
		for over := false; !over && !stop.Load(); answered++ {
			if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
				t.Errorf("after %d answers: %v", answered, err)
				return answered
			}
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("after %d answers: %v, %v", answered, resp, err)
				return answered
			}
			if _, err := bufio.NewReader(resp.Body).WriteTo(discard{}); err != nil {
				t.Errorf("after %d answers: %v", answered, err)
				return answered
			}
			over = resp.Close
		}
		c.Close()
	}
	return answered
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// load asks by one of a client's versions until stop. Clients of these try again what a
// server has said it has not begun with.
func (s *server) load(t *testing.T, stop *atomic.Bool, version, path string) (answered int) {
	c := s.over(t, version)
	for ; !stop.Load(); answered++ {
		a, err := c.try(c.request("GET", path, nil))
		if err != nil || a.StatusCode != 200 {
			t.Errorf("%s, after %d answers: %v, %v", version, answered, a.Response, err)
			return answered
		}
	}
	return answered
}

// socketLoad holds WebSockets, and opens another one when a server says goodbye.
func (s *server) socketLoad(t *testing.T, stop *atomic.Bool, path string) (echoed int) {
	c := s.over(t, "http")
	for !stop.Load() {
		w := c.socket(s, path)
		for over := false; !over && !stop.Load(); {
			w.Frame(ws.Text, true, "hello")
			switch got := w.Next(); got {
			case "text hello":
				echoed++
			case "close 1012", "close 1012 service restart", "close 1001":
				over = true
			default:
				if over = strings.HasPrefix(got, "close 1012"); !over {
					t.Errorf("%q after %d messages", got, echoed)
					return echoed
				}
			}
		}
		if stop.Load() {
			bye(w)
		}
	}
	return echoed
}

// TestUpgradeUnderLoad: nothing is lost by any protocol while the program is replaced three
// times, by USR2 and by ctl, and nothing is left of the old processes.
func TestUpgradeUnderLoad(t *testing.T) {
	for _, test := range []struct {
		name, path, socket string
		args               []string
	}{
		{"go", "/plaintext", "/ws", nil},
		{"python", "/pid", "/s/echo", app("faults:app", "gthread:2", "--mount", "/s=websocket_app:app,worker_class=asgi")},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, program, control := upgradable(t, append([]string{"--http-protocols", allVersions}, test.args...)...)
			var stop atomic.Bool
			var all sync.WaitGroup
			defer all.Wait() // also if the test is given up
			defer stop.Store(true)
			counts := make(map[string]*int)
			run := func(name string, load func() int) {
				n := new(int)
				counts[name] = n
				all.Go(func() { *n = load() })
			}
			front := *s // s itself becomes another process
			for i := range 2 {
				run(fmt.Sprintf("strict %d", i), func() int { return front.strictLoad(t, &stop, test.path) })
			}
			for _, version := range versions {
				run(version, func() int { return front.load(t, &stop, version, test.path) })
			}
			run("sockets", func() int { return front.socketLoad(t, &stop, test.socket) })
			for i := range 3 {
				install(t, binary, program)
				if i == 1 {
					old := s.pid
					s.signal(syscall.SIGUSR2)
					s.eventuallyOf(func() bool { return s.mainPID(control) != old }, "USR2 has an effect")
					s.become(s.mainPID(control))
					continue
				}
				s.upgrade(control)
			}
			stop.Store(true)
			all.Wait()
			for name, n := range counts {
				t.Logf("%s: %d", name, *n)
				if *n == 0 {
					t.Errorf("%s: nothing was answered", name)
				}
			}
		})
	}
}

// mainPID is the process that answers at the control socket.
func (s *server) mainPID(control string) int {
	s.t.Helper()
	m := regexp.MustCompile(`pid (\d+),`).FindStringSubmatch(obeyed(s.t, control, "status"))
	if m == nil {
		s.t.Fatal("status has no pid")
	}
	pid, _ := strconv.Atoi(m[1])
	return pid
}

// TestUpgradeFails: whatever is there in place of the program, the old process serves on, and
// says in a line why.
func TestUpgradeFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hangs.py"), []byte("import time\ntime.sleep(600)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, program, control := upgradable(t, append([]string{"--upgrade-timeout", "2s"}, app("faults:app", "sync")...)...)
	var stop atomic.Bool
	var load sync.WaitGroup
	front := *s
	load.Go(func() { front.strictLoad(t, &stop, "/pid") })
	descriptors := func() int {
		names, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
		return len(names)
	}
	c := s.over(t, "http")
	worker := c.get("/pid").want(t, 200)
	before := descriptors()
	for _, test := range []struct {
		name string
		new  []string
		why  string
	}{
		{"exits", []string{"echo the library is missing >&2", "exit 7"}, `the new program has ended before it said hello: exit status 7 (its last words: "the library is missing")`},
		{"hangs", []string{"exec sleep 600"}, "the new program has not said hello in time: is it this server?"},
		{"is another one", []string{"echo hello >&3", "exec sleep 600"}, "the new program is another one: it does not speak as this server does"},
		{"leaves", []string{"exit 0"}, "the new program has ended before it said hello: exit status 0"},
		{"is killed", []string{"kill -9 $$"}, "the new program has ended before it said hello: signal: killed"},
		{"has other settings", []string{"exec " + binary + " --nonsense"}, "--nonsense: no such option (exit status 2)"},
		{"cannot import", []string{"exec " + binary + " -l 127.0.0.1:0 --python " + python + " --chdir " + appsDir + " nowhere:app"}, "there is no module named 'nowhere' on the import path (start in the folder that holds it, or use --chdir or --pythonpath) (exit status 3)"},
		{"is not ready", []string{"exec " + binary + " -l 127.0.0.1:0 --python " + python + " --chdir " + dir + " hangs:app"}, "the new process was not ready in time"},
	} {
		script(t, program, test.new...)
		refused(t, control, 1, test.why, "upgrade")
		if now := c.get("/pid").want(t, 200); now != worker {
			t.Errorf("%s: worker %s is now %s", test.name, worker, now)
		}
		if got := s.mainPID(control); got != s.pid {
			t.Errorf("%s: %d serves", test.name, got)
		}
		s.awaitLog(regexp.QuoteMeta("Not upgraded, this process serves on: "))
	}
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	refused(t, control, 1, "the new program cannot be started: ", "upgrade")
	s.eventually("all descriptors are closed", func() bool { return descriptors() <= before+2 })

	install(t, binary, program)
	s.upgrade(control)
	stop.Store(true)
	load.Wait()
}

// TestUpgradeDiesAtOnce: a new process that dies within its first seconds, when it serves
// already, gives way to the old one.
func TestUpgradeDiesAtOnce(t *testing.T) {
	t.Parallel()
	s, _, control := upgradable(t, "-l", "127.0.0.1:0", "--http-protocols", "h1,h3")
	quic := s.over(t, "h3")
	quic.get("/plaintext").want(t, 200)
	failed := make(chan struct{})
	go func() {
		defer close(failed)
		refused(t, control, 1, "the new process has died as soon as it served: ", "upgrade")
	}()
	s.awaitLog("Took over")
	for _, p := range marked(s.mark) {
		if p.pid != s.pid {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	s.over(t, "http").get("/plaintext").want(t, 200)
	<-failed
	quic.get("/plaintext").want(t, 200)
	s.over(t, "h3").get("/plaintext").want(t, 200)
	equal(t, "main process", s.mainPID(control), s.pid)
	s.upgrade(control)
	s.over(t, "h3").get("/plaintext").want(t, 200)
}

// TestUpgradeAtUnixSockets: the files are the new process's, to the end.
func TestUpgradeAtUnixSockets(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path, admin := filepath.Join(dir, "web.sock"), filepath.Join(dir, "admin.sock")
	s, _, control := upgradable(t, "-l", "unix:"+path, "--admin-listen", "unix:"+admin)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var load sync.WaitGroup
	front := *s
	load.Go(func() { front.strictLoad(t, &stop, "/plaintext") })
	for range 2 {
		s.upgrade(control)
		after, err := os.Stat(path)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("the socket is another one: %v", err)
		}
	}
	stop.Store(true)
	load.Wait()
	s.stop()
	for _, p := range []string{path, admin, control} {
		if _, err := os.Lstat(p); err == nil {
			t.Errorf("%s is still there", p)
		}
	}
}

// TestUpgradesTakeTurns: a second one is refused while one is under way, and while the
// process before still drains; a stop ends one.
func TestUpgradesTakeTurns(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, program, control := upgradable(t, app("faults:app", "gthread", "--threads", "4", "-e", "GATE="+gate, "--mount", "/gated=gated:app")...)
	c, g := s.over(t, "http"), newGate(t)
	held := s.hold(c, g)

	first := make(chan string)
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	go func() { first <- obeyed(t, control, "upgrade") }()
	s.awaitLog("Upgrading: starting")
	refused(t, control, 1, "an upgrade is under way", "upgrade")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := serves.FindStringSubmatch(<-first)
	if m == nil {
		t.Fatal("the first upgrade has failed")
	}
	refused(t, control, 1, fmt.Sprintf("process %d, in whose place this one has come, still drains", s.pid), "upgrade")
	g.open()
	equal(t, "the held request", held.answer().want(t, 200), "held")
	pid, _ := strconv.Atoi(m[1])
	s.become(pid)

	script(t, program, "exec sleep 600")
	go func() {
		_, _, code := ctl(t, control, "upgrade")
		first <- strconv.Itoa(code)
	}()
	s.eventually("the third program runs", func() bool {
		for _, p := range marked(s.mark) {
			if strings.HasPrefix(p.command, "sleep 600") {
				return true
			}
		}
		return false
	})
	s.stop()
	equal(t, "the upgrade that a stop has ended", <-first, "1")
}

// TestUpgradeCounts: whoever scrapes, by connections that stay and by new ones, sees no
// counter fall through two upgrades, and in the end all requests that there were.
func TestUpgradeCounts(t *testing.T) {
	t.Parallel()
	s, _, control := upgradable(t, app("metrics_app:fastapi()", "")...)
	front := *s
	var stop atomic.Bool
	var all sync.WaitGroup
	defer all.Wait() // also if the test is given up
	defer stop.Store(true)
	for _, staying := range []bool{true, false} {
		all.Go(func() {
			seen := make(map[string]float64)
			c := front.over(t, "http")
			for !stop.Load() {
				if !staying {
					c.http.CloseIdleConnections()
				}
				for name, n := range counters(t, c) {
					if n < seen[name] {
						t.Errorf("%s was %f and is %f", name, seen[name], n)
					}
					seen[name] = n
				}
				time.Sleep(20 * time.Millisecond) // as scrapers do
			}
		})
	}
	var answered int
	all.Go(func() { answered = front.load(t, &stop, "h2c", "/greet/ali") })
	for range 2 {
		s.upgrade(control)
	}
	stop.Store(true)
	all.Wait()
	requests, counted := 0.0, 0.0
	c := front.over(t, "http")
	s.eventually("all that was counted is there", func() bool {
		requests, counted = 0, 0
		for name, n := range counters(t, c) {
			if strings.HasPrefix(name, "asteri_requests_total{") && strings.Contains(name, `protocol="HTTP/2"`) {
				requests += n
			}
			if strings.HasPrefix(name, "shop_") {
				counted += n
			}
		}
		return int(requests) == answered && counted == requests
	})
}

// counters are the values of all counters but those of one process.
func counters(t *testing.T, c *client) map[string]float64 {
	t.Helper()
	found := make(map[string]float64)
	counts := false
	for _, line := range strings.Split(c.get("/metrics").want(t, 200), "\n") {
		if about, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(about, " ")
			counts = kind == "counter" && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_")
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		if !counts || strings.HasPrefix(line, "#") || i < 0 || strings.Contains(line, `pid="`) {
			continue
		}
		n, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		found[line[:i]] = n
	}
	return found
}

// TestStreamsHearOfTheDrain: an application of ASGI that looks ends its streams in order, long
// before they would be cut, whatever it is that ends its worker.
func TestStreamsHearOfTheDrain(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stop", "reload", "upgrade"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s, _, control := upgradable(t, app("stream_app:app", "asgi", "--graceful-timeout", "10m")...)
			streams := make(chan string)
			for _, version := range []string{"http", "h2c"} {
				c := s.over(t, version)
				response, err := c.http.Do(c.request("GET", "/drains", nil))
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				first := make([]byte, len("data: first\n\n"))
				if _, err := io.ReadFull(response.Body, first); err != nil {
					t.Fatal(err)
				}
				go func() {
					rest, err := io.ReadAll(response.Body)
					streams <- fmt.Sprintf("%s, %v", rest, err)
				}()
			}
			switch how {
			case "stop":
				s.signal(syscall.SIGTERM)
			case "reload":
				obeyed(t, control, "reload")
			case "upgrade":
				s.upgrade(control) // which waits for the end of the old process
			}
			for range 2 {
				equal(t, "the rest of a stream", <-streams, "data: bye\n\n, <nil>")
			}
			if how == "stop" {
				equal(t, "exit status", s.wait(), 0)
			}
		})
	}
}

// TestHTTP3OutlivesAnUpgrade: a download and an upload of connections that the old process has
// go on while the new one reads the socket, and serves others at it.
func TestHTTP3OutlivesAnUpgrade(t *testing.T) {
	t.Parallel()
	const size, part = 20_000_000, 1_000_000
	s, _, control := upgradable(t, "--http-protocols", "h1,h3")
	down := s.over(t, "h3")
	response, err := down.http.Do(down.request("GET", fmt.Sprintf("/bytes/%d", size), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.CopyN(io.Discard, response.Body, part); err != nil {
		t.Fatal(err)
	}
	up, r := s.over(t, "h3"), pattern(size)
	body, rest := io.Pipe()
	echoed := make(chan string, 1)
	go func() {
		a, err := up.try(up.request("POST", "/echo", body))
		echoed <- fmt.Sprintf("%s, %v", digest([]byte(a.body)), err)
	}()
	if _, err := rest.Write(r[:part]); err != nil {
		t.Fatal(err)
	}
	m := serves.FindStringSubmatch(obeyed(t, control, "upgrade"))
	if m == nil {
		t.Fatal("the upgrade has failed")
	}
	s.over(t, "h3").get("/plaintext").want(t, 200)
	if !alive(s.pid) {
		t.Error("the old process has ended with what it had begun")
	}
	for sent := part; sent < size; sent += part {
		if _, err := rest.Write(r[sent : sent+part]); err != nil {
			t.Fatal(err)
		}
	}
	rest.Close()
	equal(t, "the upload", <-echoed, digest(r)+", <nil>")
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || n != size-part {
		t.Errorf("%d bytes of the download, %v", n, err)
	}
	pid, _ := strconv.Atoi(m[1])
	s.become(pid)
}

// TestUpgradeToOtherSettings: listeners that both have are handed over, others opened or
// closed, and who waits at one that is to go is served yet.
func TestUpgradeToOtherSettings(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "up")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	config := at("asteri.toml")
	write := func(loops int, sockets ...string) {
		t.Helper()
		text := fmt.Sprintf("loops = %d\ncontrol_socket = %q\nbind = [", loops, at("c.sock"))
		for _, name := range sockets {
			text += fmt.Sprintf("%q, ", "unix:"+at(name))
		}
		if err := os.WriteFile(config, []byte(text+"'127.0.0.1:0']\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(4, "stays", "goes")
	program := at("server")
	install(t, binary, program)
	s := launchServer(t, launch{binary: program, heirs: true, args: []string{"-c", config}})
	s.awaitReady()
	ask := func(name string) error {
		c := s.in(t)
		c.addr = at(name)
		_, err := c.over(t, "http").try(c.over(t, "http").request("GET", "/plaintext", nil))
		return err
	}
	tcp := s.listeners()[0]
	for _, step := range []struct {
		loops    int
		here, no []string
	}{{1, []string{"stays", "comes"}, []string{"goes"}}, {3, []string{"stays", "goes"}, []string{"comes"}}} {
		write(step.loops, step.here...)
		s.upgrade(at("c.sock"))
		for _, name := range step.here {
			if err := ask(name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, name := range step.no {
			if _, err := os.Lstat(at(name)); err == nil || ask(name) == nil {
				t.Errorf("%s is still there", name)
			}
		}
		for range 20 { // at each socket of the group, whatever the number of loops
			s.addr = tcp
			s.over(t, "http").get("/plaintext").want(t, 200)
		}
	}
}

// TestPredecessorIsKilled: a new process whose predecessor dies serves on its own.
func TestPredecessorIsKilled(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, _, control := upgradable(t, app("gated:app", "sync", "-e", "GATE="+gate)...)
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	go func() { _, _, _ = ctl(t, control, "upgrade") }() // hears nothing
	s.awaitLog(`Upgrading: starting(.|\n)*Starting asteri-loop`)
	var next int
	s.eventually("the new process is there", func() bool {
		for _, p := range marked(s.mark) {
			if p.pid != s.pid && p.parent == s.pid && strings.Contains(p.command, control) {
				next = p.pid
			}
		}
		return next != 0
	})
	s.awaitLog(`Starting asteri-loop(.|\n)*Starting asteri-loop`)
	s.signal(syscall.SIGKILL)
	waiting := s.dial()
	if _, err := io.WriteString(waiting, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.become(next)
	if text, err := io.ReadAll(waiting); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200 ") {
		t.Errorf("%q, %v", text, err)
	}
	equal(t, "main process", s.mainPID(control), next)
	s.upgrade(control)
}
