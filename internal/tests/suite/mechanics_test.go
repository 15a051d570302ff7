//go:build linux

package suite

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// seen is what apps/mechanics.py says of its process.
type seen struct {
	PID, UID, GID, Umask, Nice int
	Groups, Files              []int
	Name                       string
	Environ                    map[string]string
}

func look(t testing.TB, c *client) seen { t.Helper(); return decode[seen](t, c.get("/")) }

// nobody is a user that all systems have.
const nobody = 65534

// asRoot skips a test that only root can make.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
}

// userFolder is one in which nobody may make files.
func userFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "asteri-user")
	if err == nil {
		err = os.Chown(dir, nobody, nobody)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ids returns the words of a line in the status of all threads of a process.
func ids(t testing.TB, pid int, line string) (all []string) {
	t.Helper()
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid)) // the pattern is good
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		_, rest, _ := strings.Cut(string(text), "\n"+line+":")
		rest, _, _ = strings.Cut(rest, "\n")
		all = append(all, strings.Join(strings.Fields(rest), " "))
	}
	if len(all) == 0 {
		t.Fatalf("process %d has no threads", pid)
	}
	return all
}

func TestPrivilegesAreGivenUp(t *testing.T) {
	asRoot(t)
	dir := userFolder(t)
	logFile, socket, control := filepath.Join(dir, "log"), filepath.Join(dir, "sock"), filepath.Join(dir, "ctl")
	s := launchServer(t, launch{
		args: app("mechanics:app", "", "-l", "127.0.0.1:0", "-l", "unix:"+socket, "-u", "nobody", "-w", "2", "--error-logfile", logFile, "--control-socket", control, "-m", "027", "--python", "python3"), // the user may not reach another
		env:  []string{"TMPDIR=" + dir, "XDG_RUNTIME_DIR=/run/user/0"},
	})
	if err := os.Chmod(s.tmp, 0o755); err != nil { // where a reload looks for asteri.toml
		t.Fatal(err)
	}
	text := func() string { b, _ := os.ReadFile(logFile); return string(b) }
	s.eventually("the server is ready", func() bool { return strings.Contains(text(), "Running ") })
	s.addr = listening.FindStringSubmatch(text())[1]

	user := fmt.Sprint(nobody)
	for _, pid := range append(s.workers(), s.pid) {
		for _, uid := range append(ids(t, pid, "Uid"), ids(t, pid, "Gid")...) {
			if uid != strings.TrimSpace(strings.Repeat(user+" ", 4)) {
				t.Errorf("a thread of process %d is %s", pid, uid)
			}
		}
		for _, groups := range ids(t, pid, "Groups") {
			equal(t, "other groups", groups, "")
		}
		for _, can := range ids(t, pid, "CapEff") {
			equal(t, "capabilities", can, "0000000000000000")
		}
	}
	c := s.over(t, "http")
	before := look(t, c)
	equal(t, "umask", before.Umask, 0o027)
	equal(t, "HOME", before.Environ["HOME"], "/nonexistent")
	equal(t, "USER", before.Environ["USER"], "nobody")
	if dir, has := before.Environ["XDG_RUNTIME_DIR"]; has {
		t.Errorf("the application has root's folder %s", dir)
	}
	for _, path := range []string{logFile, socket, control} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "owner of "+path, info.Sys().(*syscall.Stat_t).Uid, nobody)
	}
	tokens, _ := filepath.Glob(filepath.Join(dir, "asteri-loop-"+user, "*.token")) // the pattern is good
	equal(t, "token files of the user", len(tokens), 1)

	// What comes later is the user's affair, and works.
	if err := os.Rename(logFile, logFile+".1"); err != nil {
		t.Fatal(err)
	}
	obeyed(t, control, "reload")
	s.eventually("a worker has taken over", func() bool { return look(t, c).PID != before.PID })
	equal(t, "user of the new workers", look(t, c).UID, nobody)
	s.eventually("the log goes on in a file of the user", func() bool { return strings.Contains(text(), "Reloaded") })
	s.stop()
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is left")
	}
}

// A port for root alone, in the namespace of this machine, is open before the user is another.
func TestLowPortsWithoutRoot(t *testing.T) {
	asRoot(t)
	const port = 487
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Skip("the port is taken: ", err)
	}
	ln.Close()
	dir := userFolder(t)
	s := launchServer(t, launch{args: []string{"-l", fmt.Sprintf("127.0.0.1:%d", port), "-u", strconv.Itoa(nobody), "-g", strconv.Itoa(nobody)}, env: []string{"TMPDIR=" + dir}})
	s.awaitReady()
	equal(t, "address", s.addr, fmt.Sprintf("127.0.0.1:%d", port))
	s.over(t, "http").get("/").want(t, 200)
	for _, uid := range ids(t, s.pid, "Uid") {
		contains(t, uid, fmt.Sprint(nobody))
	}
}

func TestPrivilegesThatAreRefused(t *testing.T) {
	_, stderr, code := execute(t, "--user", "nobodi")
	equal(t, "exit status", code, 2)
	contains(t, stderr, `--user: "nobodi": there is no such user; did you mean "nobody"?`)
	_, stderr, code = execute(t, "--initgroups")
	equal(t, "exit status", code, 2)
	contains(t, stderr, "--initgroups is for --user")
	asRoot(t)
	dir := userFolder(t)
	program := filepath.Join(dir, "asteri-loop")
	if err := exec.Command("cp", binary, program).Run(); err != nil {
		t.Fatal(err)
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip(err)
	}
	s := launchServer(t, launch{binary: "/bin/sh", args: []string{"-c", `cd "$0" && exec "$@"`, dir, setpriv, "--reuid=nobody", "--regid=nogroup", "--clear-groups", program, "-l", "127.0.0.1:0", "-u", "root"}, env: []string{"TMPDIR=" + dir}})
	equal(t, "exit status", s.wait(), 1)
	contains(t, s.log.errText(), "only root may become another user or group, and this is user 65534")
}

func TestPIDFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	pid := func() string { b, _ := os.ReadFile(file); return strings.TrimSpace(string(b)) }
	first := start(t, "-p", file)
	equal(t, "pid", pid(), fmt.Sprint(first.pid))
	_, stderr, code := execute(t, "--pid", file)
	equal(t, "exit status of a second server", code, 1)
	contains(t, stderr, "a server that runs has this file: process "+fmt.Sprint(first.pid))
	equal(t, "pid", pid(), fmt.Sprint(first.pid))
	first.signal(syscall.SIGKILL)
	first.wait()
	equal(t, "pid of the dead", pid(), fmt.Sprint(first.pid))
	next := start(t, "-p", file)
	equal(t, "pid", pid(), fmt.Sprint(next.pid))
	next.stop()
	if _, err := os.Lstat(file); err == nil {
		t.Error("the file is left")
	}
}

func TestDaemon(t *testing.T) {
	dir := t.TempDir()
	file, logFile := filepath.Join(dir, "pid"), filepath.Join(dir, "log")
	run := func(args ...string) (string, int) {
		cmd := exec.Command(binary, append([]string{"-D", "-l", "127.0.0.1:0", "--status", "off", "-p", file, "--error-logfile"}, args...)...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput() // the state has the rest
		return string(out), cmd.ProcessState.ExitCode()
	}
	said, code := run(append([]string{logFile}, app("mechanics:app", "")...)...)
	equal(t, "exit status", code, 0)
	equal(t, "what it says", said, "")
	text, err := os.ReadFile(logFile)
	if err != nil || !strings.Contains(string(text), "Running ") {
		t.Fatalf("it was not ready: %s, %v", text, err)
	}
	number, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(number))) // 0 fails below
	if session, err := syscall.Getpgid(pid); err != nil || session != pid {
		t.Errorf("the session of %d is %d, %v", pid, session, err)
	}
	for fd := range 3 {
		at, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
		if at != os.DevNull {
			t.Errorf("descriptor %d is %s, %v", fd, at, err)
		}
	}
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // as it was at its start
	contains(t, string(environ), "_ASTERI_LOOP_READY=3")
	address := listening.FindStringSubmatch(string(text))[1]
	got := decode[seen](t, newClient(t, http.DefaultTransport, "http://"+address, "HTTP/1.1").get("/"))
	if _, has := got.Environ["_ASTERI_LOOP_READY"]; has {
		t.Error("the application knows how its server was started")
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for alive(pid) && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if alive(pid) {
		t.Errorf("process %d does not end", pid)
	}
	said, code = run(append([]string{"-"}, app("broken:app", "")...)...)
	equal(t, "exit status of an application that cannot be imported", code, 3)
	contains(t, said, "The application cannot be started")
	said, code = run(append([]string{logFile}, app("broken:app", "")...)...)
	equal(t, "exit status of one whose log is a file", code, 3)
	contains(t, said, "the server has not started: what is not above is in "+logFile)
	said, code = run("-", "--capture-output", "off")
	equal(t, "exit status without anybody to read", code, 2)
	contains(t, said, "needs --capture-output on")
}

func TestWorkersAreAsTheyAreSet(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "env")
	if err := os.WriteFile(file, []byte("# for the application\nexport GREETING=\"hello there\"\nHOME=/not/this\nOTHER=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, app("mechanics:app", "sync", "--worker-nice", "5", "--worker-rlimit", "NOFILE=300:400", "-n", "a-name-of-many-letters", "--env-file", file, "-e", "OTHER=option")...)
	c := s.over(t, "http")
	got := look(t, c)
	equal(t, "niceness", got.Nice, 5)
	equal(t, "files", fmt.Sprint(got.Files), "[300 400]")
	equal(t, "name", got.Name, "a-name-of-many-")
	equal(t, "a variable of the file", got.Environ["GREETING"], "hello there")
	equal(t, "one that is there already", got.Environ["HOME"], s.tmp)
	equal(t, "one of the options", got.Environ["OTHER"], "option")
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.pid))
	equal(t, "name of the front", string(comm), "a-name-of-many-\n")
	if err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("GREETING=goodbye\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.eventually("the file is read again", func() bool { return look(t, c).Environ["GREETING"] == "goodbye" })
	_, stderr, code := execute(t, app("mechanics:app", "sync", "--worker-rlimit", "NOFILE=100000000")...)
	equal(t, "exit status", code, 3)
	contains(t, stderr, "the worker cannot have the limit NOFILE", "see --worker-rlimit")
	_, stderr, code = execute(t, app("mechanics:app", "sync", "--env-file", filepath.Join(dir, "none"))...)
	equal(t, "exit status", code, 2)
	contains(t, stderr, "--env-file "+filepath.Join(dir, "none"))
}

func TestWorkersGoByTheLoad(t *testing.T) {
	t.Parallel()
	s, control := controlled(t, app("mechanics:app", "sync", "-w", "1..3")...)
	c := s.over(t, "http")
	over := make(chan struct{})
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					c.get("/sleep").want(t, 200)
				}
			}
		})
	}
	s.awaitLog(`number of workers changed wanted=3 reason=load`)
	s.eventually("three workers", func() bool { return len(s.workers()) == 3 })
	contains(t, obeyed(t, control, "status"), "3 for /, of 1 to 3")
	contains(t, c.get("/metrics").want(t, 200), `asteri_workers_wanted{app=""} 3`, `asteri_workers_max{app=""} 3`)
	obeyed(t, control, "reload")
	s.eventually("three workers behind a reload", func() bool { return len(s.workers()) == 3 })
	// An operator's number stays.
	obeyed(t, control, "scale", "1")
	s.eventually("one worker", func() bool { return len(s.workers()) == 1 })
	contains(t, obeyed(t, control, "status"), "1 for /, as an operator has said")
	s.log.mu.Lock()
	before := strings.Count(s.log.all.String(), "reason=load")
	s.log.mu.Unlock()
	for range 12 { // more than two seconds of full load
		c.get("/sleep").want(t, 200)
	}
	equal(t, "changes by the load since", strings.Count(s.log.text(), "reason=load"), before)
	close(over)
	clients.Wait()
}

func TestWorkersThatAreRelieved(t *testing.T) {
	t.Parallel()
	t.Run("lifetime", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("mechanics:app", "sync", "--max-worker-lifetime", "1")...)
		c := s.over(t, "http")
		first := look(t, c).PID
		s.eventually("another worker serves", func() bool { return look(t, c).PID != first })
		contains(t, s.log.text(), "reason=max-worker-lifetime")
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("mechanics:app", "sync", "-w", "2", "--max-worker-rss", "90MiB")...)
		c := s.over(t, "http")
		grown := decode[seen](t, c.get("/grow")).PID
		deadline := time.Now().Add(2 * patience)
		for alive(grown) && time.Now().Before(deadline) {
			look(t, c)
			time.Sleep(20 * time.Millisecond)
		}
		contains(t, s.log.text(), "reason=max-worker-rss")
		equal(t, "reliefs", strings.Count(s.log.text(), "is to be relieved"), 1)
		equal(t, "workers", len(s.workers()), 2)
	})
}
