//go:build linux

package suite

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sock") // short: the path of a socket has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "web.sock")
	// A socket file that nobody listens on is left over from a crash.
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()

	s := start(t, append([]string{"-l", "unix:" + path, "-m", "007"}, app("wsgi_probe:app", "sync")...)...)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "mode", info.Mode().Perm(), 0o770)
	environ := decode[map[string]any](t, s.over(t, "http").get("/environ"))
	equal(t, "PATH_INFO", environ["PATH_INFO"], any("/environ"))
	for _, key := range []string{"SERVER_NAME", "SERVER_PORT"} { // PEP 3333: never empty
		if environ[key] == "" || environ[key] == nil {
			t.Errorf("%s is %v", key, environ[key])
		}
	}

	// One that is in use is not taken away.
	_, log, code := execute(t, append([]string{"-l", "unix:" + path}, app("wsgi_probe:app", "sync")...)...)
	if code <= 0 {
		t.Errorf("a second server on %s ended with %d", path, code)
	}
	contains(t, log, path)
	s.over(t, "http").get("/pid").want(t, 200)

	s.stop()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket file is left")
	}
}

// inheritable opens a listener for a server to inherit, until the test ends. socket is
// what the system calls it.
func inheritable(t *testing.T) (addr string, file *os.File, socket string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	if file, err = listener.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	// Asked for now: Fd makes the socket blocking, which must not happen to the server.
	if socket, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(int(file.Fd()))); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String(), file, socket
}

// TestInheritedSocket serves on a descriptor that the parent opened, as systemd
// and its like do.
func TestInheritedSocket(t *testing.T) {
	t.Parallel()
	addr, file, socket := inheritable(t)
	s := launchServer(t, launch{args: append([]string{"-l", "fd://3"}, app("wsgi_probe:app", "sync")...), files: []*os.File{file}})
	s.awaitReady()
	s.addr = addr
	s.over(t, "http").get("/pid").want(t, 200)
	for _, pid := range s.workers() {
		if holds(t, pid, socket) {
			t.Errorf("worker %d holds the listening socket", pid)
		}
	}
}

// holds tells whether a process has something open, by its name in /proc.
func holds(t testing.TB, pid int, what string) bool {
	t.Helper()
	names, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if target, err := os.Readlink(name); err == nil && target == what {
			return true
		}
	}
	return false
}

func TestSeveralListeners(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "web.sock")
	args := []string{"-l", "127.0.0.1:0", "-b", "127.0.0.1:0", "-l", "unix:" + path}
	s := start(t, append(args, app("wsgi_probe:app", "gthread:2")...)...)
	seen := map[string]bool{}
	for _, addr := range s.listeners() {
		other := s.in(t)
		other.addr = addr
		other.over(t, "http").get("/pid").want(t, 200)
		seen[addr] = true
	}
	equal(t, "different listeners", len(seen), 3)
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Logf("this system has no IPv6, nothing to test: %v", err)
		return
	}
	probe.Close()
	s := start(t, append([]string{"-l", "[::1]:0"}, app("wsgi_probe:app", "sync")...)...)
	environ := decode[map[string]any](t, s.over(t, "http").get("/environ"))
	equal(t, "REMOTE_ADDR", environ["REMOTE_ADDR"], any("::1"))
}

// TestAnyPort: a port that the system chooses is the same one over TCP and UDP.
func TestAnyPort(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "localhost", "", "*"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			s := start(t, "-l", host+":0", "--http-protocols", "h1,h3")
			_, port, _ := net.SplitHostPort(s.addr)
			s.addr = net.JoinHostPort("127.0.0.1", port)
			for _, scheme := range []string{"http", "h3"} {
				s.over(t, scheme).get("/plaintext").want(t, 200)
			}
		})
	}
}

// TestAddressInUse: a second server is refused, not silently given a share.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync")...)
	_, log, code := execute(t, append([]string{"-l", s.addr}, app("wsgi_probe:app", "sync")...)...)
	if code <= 0 {
		t.Errorf("exit status %d", code)
	}
	contains(t, log, s.addr, "in use")
	s.over(t, "http").get("/pid").want(t, 200)
}
