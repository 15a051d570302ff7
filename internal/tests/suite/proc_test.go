//go:build linux

package suite

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// process is what /proc tells about one.
type process struct {
	pid, parent int
	command     string
}

// processes lists what runs; a process that ends meanwhile is left out, and so
// are zombies, which hold nothing but their exit status.
func processes() []process {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []process
	for _, name := range names {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// "pid (comm) state ppid ...": comm may hold anything, so look from its end.
		after := stat[bytes.LastIndexByte(stat, ')')+1:]
		fields := strings.Fields(string(after))
		if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		p := process{}
		p.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(name)))
		p.parent, _ = strconv.Atoi(fields[1])
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		p.command = strings.TrimSpace(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		found = append(found, p)
	}
	return found
}

// marked returns the processes whose environment holds mark.
func marked(mark string) []process {
	var found []process
	for _, p := range processes() {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid))
		if err == nil && bytes.Contains(env, []byte(mark)) {
			found = append(found, p)
		}
	}
	return found
}

// workers returns the process ids of the server's own children, but for the one that compiles
// their program for a moment.
func (s *server) workers() []int {
	var pids []int
	for _, p := range processes() {
		if p.parent == s.pid && strings.Contains(p.command, " asteri-loop worker ") {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// alive tells whether a process runs.
func alive(pid int) bool {
	for _, p := range processes() {
		if p.pid == pid {
			return true
		}
	}
	return false
}

// descriptors counts the open descriptors of a process.
func descriptors(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// resident returns a process's memory in bytes: now and at its highest.
func resident(t testing.TB, pid int) (now, peak int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		var kilobytes int64
		if _, err := fmt.Sscan(strings.TrimSpace(value), &kilobytes); err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			now = kilobytes << 10
		case "VmHWM":
			peak = kilobytes << 10
		}
	}
	return now, peak
}

// countConnections counts the rows of /proc/net/tcp from port local to port
// remote that a process still holds: ESTABLISHED or CLOSE_WAIT.
func countConnections(table string, local, remote int) int {
	n := 0
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || (fields[3] != "01" && fields[3] != "08") {
			continue
		}
		if strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", local)) && strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", remote)) {
			n++
		}
	}
	return n
}
