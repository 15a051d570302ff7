//go:build linux

package proctree

import (
	"bufio"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	line := "42 (a (b) c) S 7 42 40 0 -1 4194560 1 2 3 4 150 50 200 100 20 0 3 0 9876 1000 10 18446744073709551615"
	got, err := parseStat([]byte(line))
	want := Process{PID: 42, Parent: 7, Session: 40, Started: 9876, own: 2 * time.Second, reaped: 3 * time.Second}
	if err != nil || got != want {
		t.Errorf("parseStat = %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "42 no parentheses", "42 (x) S 1 2 3", strings.Replace(line, "150", "x", 1)} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestOthers(t *testing.T) {
	all := []Process{
		{PID: 2, own: time.Hour}, {PID: 3, Parent: 2, own: time.Hour}, // the kernel's
		{PID: 7, Parent: 1, Session: 7, own: time.Minute}, {PID: 8, Parent: 7, Session: 7, own: time.Minute}, // the tree
		{PID: 9, Parent: 1, Session: 9, own: time.Second, reaped: 2 * time.Second},
	}
	if got := others(all, 7); got != 3*time.Second {
		t.Errorf("others used %v, want 3s", got)
	}
}

func TestTreeFollowsParentsAndSession(t *testing.T) {
	all := []Process{
		{PID: 5, Parent: 4, Session: 90}, // child of a child, with a session of its own
		{PID: 2, Parent: 1, Session: 2},
		{PID: 4, Parent: 2, Session: 2},
		{PID: 6, Parent: 1, Session: 2}, // lost its parent
		{PID: 9, Parent: 1, Session: 1}, // somebody else
	}
	var pids []int
	for _, p := range tree(all, 2) {
		pids = append(pids, p.PID)
	}
	slices.Sort(pids)
	if !slices.Equal(pids, []int{2, 4, 5, 6}) {
		t.Errorf("tree of 2 is %v", pids)
	}
}

// startShell runs a script as a server is run, and returns its process number
// and the lines it prints.
func startShell(t *testing.T, script string) (int, *bufio.Scanner) {
	t.Helper()
	if err := AdoptOrphans(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// A pipe of our own: Wait must not end with it, nor close it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	go func() { _ = cmd.Wait() }()
	return cmd.Process.Pid, bufio.NewScanner(r)
}

func TestStopKillsWhatIgnoresTermAndWhatLostItsParent(t *testing.T) {
	pid, lines := startShell(t, `trap '' TERM
		sh -c 'sleep 600 & echo $!'   # an orphan when this shell ends
		sleep 600 & echo $!
		echo ready; wait; wait; sleep 600`)
	pids := []int{pid}
	for lines.Scan() && lines.Text() != "ready" {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, n)
	}
	if len(pids) != 3 {
		t.Fatalf("started %v", pids)
	}
	if err := Stop(pid, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for _, p := range pids {
		if err := syscall.Kill(p, 0); err != syscall.ESRCH {
			t.Errorf("process %d is still there: %v", p, err)
		}
	}
}

// A shell whose child is killed before it starts the next one.
func TestStopKillsWhatIsBornMeanwhile(t *testing.T) {
	pid, lines := startShell(t, `trap '' TERM
		for i in 1 2 3 4 5 6 7 8; do
			sh -c 'while :; do sleep 600; done' &
		done
		echo ready; while :; do sleep 600; done`)
	if !lines.Scan() {
		t.Fatal("the script said nothing")
	}
	if err := Stop(pid, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if left, err := Tree(pid); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCPUCountsReapedChildren(t *testing.T) {
	pid, lines := startShell(t, `i=0; sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo done; sleep 600`)
	defer func() {
		if err := Stop(pid, time.Second); err != nil {
			t.Error(err)
		}
	}()
	if !lines.Scan() {
		t.Fatal("the script said nothing")
	}
	members, err := Tree(pid)
	if err != nil {
		t.Fatal(err)
	}
	var reaped time.Duration
	for _, p := range members {
		reaped += p.reaped
	}
	got, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	if reaped == 0 || got < reaped {
		t.Errorf("CPU = %v, of which reaped %v", got, reaped)
	}
	if m, err := MemoryOf(pid); err != nil || m.PSS <= 0 || m.RSS < m.PSS {
		t.Errorf("MemoryOf = %+v, %v", m, err)
	}
}
