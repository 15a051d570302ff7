//go:build linux

package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestUpgradeOfAService: whoever follows the main process is told of the new one, and sockets
// that the service manager has opened go along, also the second time.
func TestUpgradeOfAService(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "up") // short: the path of a socket has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	control, pidFile := filepath.Join(dir, "c.sock"), filepath.Join(dir, "pid")
	env, await := messages(t, filepath.Join(dir, "notify"))
	web, webAt := socketFile(t, "tcp", "127.0.0.1:0")
	s := launchServer(t, launch{
		binary: "/bin/sh", heirs: true, env: []string{env}, files: []*os.File{web},
		args: []string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$0" "$@"`, binary, "--control-socket", control, "--pid", pidFile, "-l", "systemd:web"},
	})
	s.awaitReady()
	await(`(?m)^READY=1$`)
	for range 2 {
		equal(t, "address", s.addr, webAt.String())
		equal(t, "pid file", fileText(t, pidFile), fmt.Sprintln(s.pid))
		s.upgrade(control)
		await(fmt.Sprintf(`^MAINPID=%d$`, s.pid))
		await(`(?m)^READY=1$`)
		s.over(t, "http").get("/").want(t, 200)
	}
	equal(t, "pid file", fileText(t, pidFile), fmt.Sprintln(s.pid))
	s.signal(syscall.SIGTERM)
	await(`(?m)^STOPPING=1$`)
	s.eventuallyOf(func() bool { return !alive(s.pid) }, "the end")
	if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there: %v", err)
	}
}

// TestUpgradeThatDiesLeavesThePIDFile: it is then the old process's again.
func TestUpgradeThatDiesLeavesThePIDFile(t *testing.T) {
	t.Parallel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	s, _, control := upgradable(t, "--pid", pidFile)
	first := fmt.Sprintln(s.pid)
	s.signal(syscall.SIGUSR2)
	s.eventually("the file is the new process's", func() bool { return fileText(t, pidFile) != first })
	next, err := strconv.Atoi(fileText(t, pidFile)[:len(fileText(t, pidFile))-1])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(next, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.awaitLog(`Not upgraded, this process serves on: the new process has died as soon as it served`)
	equal(t, "pid file", fileText(t, pidFile), first)
	equal(t, "main process", s.mainPID(control), s.pid)
	s.upgrade(control)
	equal(t, "pid file", fileText(t, pidFile), fmt.Sprintln(s.pid))
}
