package main

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLowPortWithoutTheRight starts the server as a user would who may not open port 80.
// For root the right is dropped from a thread, whose children then have it no more.
func TestLowPortWithoutTheRight(t *testing.T) {
	first, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if n, _ := strconv.Atoi(strings.TrimSpace(string(first))); err != nil || n <= 80 {
		t.Skip("every user may open port 80 here")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_BIND_SERVICE, 0, 0, 0)
		if err != nil && !errors.Is(err, syscall.EPERM) { // who may not drop it has not got it
			t.Error(err)
			return
		}
		status, _, log := once(t, t.TempDir(), nil, "-b", ":80")
		if status != exitUsage || !strings.Contains(log, "setcap cap_net_bind_service=+ep "+binary+")") || !strings.Contains(log, "sysctl net.ipv4.ip_unprivileged_port_start=80)") {
			t.Errorf("status %d\n%s", status, log)
		}
	}()
	<-done
}
