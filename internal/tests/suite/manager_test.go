//go:build linux

package suite

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// messages is what a service manager hears.
func messages(t *testing.T, name string) (env string, await func(pattern string) string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return "NOTIFY_SOCKET=" + name, func(pattern string) string {
		t.Helper()
		var heard []string
		_ = conn.SetReadDeadline(time.Now().Add(patience)) // it is open
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("not heard: %s\nbut %q", pattern, heard)
			}
			heard = append(heard, string(buf[:n]))
			if regexp.MustCompile(pattern).Match(buf[:n]) {
				return string(buf[:n])
			}
		}
	}
}

func TestServiceManagerIsTold(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@asteri-test-%d", os.Getpid())} {
		env, await := messages(t, name)
		dir := t.TempDir()
		module := filepath.Join(dir, "app.py")
		write := func(code string) {
			if err := os.WriteFile(module, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("def app(e, s):\n    s('200 OK', [])\n    return [b'x']\n")
		s := launchServer(t, launch{args: []string{"--python", python, "--chdir", dir, "app:app"}, env: []string{env, "WATCHDOG_USEC=100000"}})
		contains(t, await(`(?m)^READY=1$`), "STATUS=Serving app:app under sync")
		await(`^WATCHDOG=1$`)
		s.awaitReady()
		s.signal(syscall.SIGHUP)
		reloading := await(`(?m)^RELOADING=1$`)
		if !regexp.MustCompile(`(?m)^MONOTONIC_USEC=[1-9][0-9]+$`).MatchString(reloading) {
			t.Errorf("%q", reloading)
		}
		await(`(?m)^READY=1$`)
		write("raise RuntimeError('not today')\n")
		s.signal(syscall.SIGHUP)
		await(`(?m)^RELOADING=1$`)
		contains(t, await(`(?m)^READY=1$`), "STATUS=A reload has failed")
		await(`^WATCHDOG=1$`)
		s.signal(syscall.SIGTERM)
		await(`(?m)^STOPPING=1$`)
		equal(t, "exit status", s.wait(), 0)
	}
}

// passing starts the server with sockets as systemd passes them.
func passing(t *testing.T, names string, files []*os.File, args ...string) *server {
	t.Helper()
	script := fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s exec "$0" "$@"`, len(files), names)
	return launchServer(t, launch{binary: "/bin/sh", args: append([]string{"-c", script, binary}, args...), files: files})
}

func socketFile(t *testing.T, network, address string) (*os.File, net.Addr) {
	t.Helper()
	var from interface{ File() (*os.File, error) }
	var at net.Addr
	if network == "udp" {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		from, at = c.(*net.UDPConn), c.LocalAddr()
	} else {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := ln.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		defer ln.Close()
		from, at = ln.(interface{ File() (*os.File, error) }), ln.Addr()
	}
	f, err := from.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, at
}

func TestSocketsThatSystemdPasses(t *testing.T) {
	web, webAt := socketFile(t, "tcp", "127.0.0.1:0")
	local, localAt := socketFile(t, "unix", filepath.Join(t.TempDir(), "sock"))
	admin, adminAt := socketFile(t, "tcp", "127.0.0.1:0")
	files := []*os.File{web, local, admin}
	const names = "web:local:admin"

	s := passing(t, names, files, "-l", "systemd:web", "-l", "unix:"+localAt.String(), "-l", "127.0.0.1:0")
	s.awaitReady()
	equal(t, "address", s.addr, webAt.String())
	equal(t, "listeners", len(s.listeners()), 3)
	s.awaitLog(`is for none of --bind, and is closed socket=admin`)
	s.over(t, "http").get("/").want(t, 200)
	s.stop()
	if _, err := os.Lstat(localAt.String()); err != nil {
		t.Errorf("a socket of systemd's was removed: %v", err)
	}

	// Without addresses it is all of them; -l would be one.
	t.Setenv("SUITE", "")
	script := `export LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=` + names + `; exec "$0" # -l`
	s = launchServer(t, launch{binary: "/bin/sh", args: []string{"-c", script, binary, "-l"}, files: files})
	s.awaitReady()
	equal(t, "listeners", strings.Join(s.listeners(), " "), webAt.String()+" "+localAt.String()+" "+adminAt.String())
	s.stop()

	s = passing(t, names, files, "-l", "systemd:wbe")
	equal(t, "exit status", s.wait(), 2)
	contains(t, s.log.errText(), "systemd:wbe: the service manager has passed no socket of that name, but web, local, admin")
	s = passing(t, "gone", []*os.File{mustOpen(t, os.DevNull)}, "-l", "systemd:gone")
	equal(t, "exit status", s.wait(), 2)
	contains(t, s.log.errText(), `the socket "gone" that the service manager has passed`)
}

func mustOpen(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// HTTP/3 has the socket for datagrams of the same port.
func TestPassedSocketsOfHTTP3(t *testing.T) {
	web, at := socketFile(t, "tcp", "127.0.0.1:0")
	quic, _ := socketFile(t, "udp", at.String())
	s := passing(t, "web:web", []*os.File{web, quic}, "-l", "systemd:web", "--http-protocols", "h1,h2,h3", "--protocols", "https")
	s.awaitReady()
	contains(t, s.log.text(), "HTTP/3 at: udp "+at.String())
	s.over(t, "h3").get("/").want(t, 200)
}

// The real program of systemd's.
func TestSystemdSocketActivate(t *testing.T) {
	program, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip(err)
	}
	f, at := socketFile(t, "tcp", "127.0.0.1:0") // a port that is free
	f.Close()
	s := launchServer(t, launch{binary: program, args: []string{"-l", at.String(), "--fdname=web", binary, "--bind=systemd:web"}})
	var conn net.Conn
	s.eventually("somebody listens", func() bool { conn, err = net.Dial("tcp", at.String()); return err == nil })
	defer conn.Close()
	s.awaitReady() // the first client has started it
	equal(t, "address", s.addr, at.String())
	s.over(t, "http").get("/").want(t, 200)
	conn.Close()
}

func TestUnit(t *testing.T) {
	dir := t.TempDir()
	args := []string{"systemd", "-l", ":80", "-l", "systemd:web", "-u", "daemon", "--group=daemon", "-e", "PRICE=5$ 100%", "--error-logfile", filepath.Join(dir, "log", "e"), "app:app"}
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	contains(t, text, "Type=notify\n", "ExecStart="+binary+` -l :80 -l systemd:web -e "PRICE=5$$ 100%%" --error-logfile `, "User=daemon\n", "Group=daemon\n",
		"AmbientCapabilities=CAP_NET_BIND_SERVICE\n", "ReadWritePaths="+filepath.Join(dir, "log")+"\n", "FileDescriptorName=web", "WorkingDirectory="+dir+"\n")
	for _, wrong := range [][]string{{"systemd", "-D"}, {"systemd", "--pid", "x"}, {"systemd", "-w", "many"}, {"systemd", "--help"}} {
		if _, stderr, code := executeWord(wrong...); code != 2 || !strings.HasPrefix(stderr, "asteri-loop: systemd: ") {
			t.Errorf("%q: %d, %s", wrong, code, stderr)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	file := filepath.Join(dir, "mysite.service")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("%s, %v", said, err)
	}
	said, err := exec.Command(analyze, "security", "--offline=yes", "--threshold=30", file).CombinedOutput()
	if err != nil {
		t.Errorf("%s, %v", said, err)
	}
}

// executeWord runs the binary with a word that takes no listener.
func executeWord(args ...string) (stdout, stderr string, code int) {
	var out, err strings.Builder
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run() // the state has it
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}
