//go:build linux

package scheduling

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// policies returns those of the process's threads.
func policies(t *testing.T, pid int) map[uint32]int {
	t.Helper()
	threads, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[uint32]int)
	for _, thread := range threads {
		id, _ := strconv.Atoi(thread.Name())
		if attr, err := unix.SchedGetAttr(id, 0); err == nil { // else it has ended
			found[attr.Policy]++
		}
	}
	return found
}

func TestBatchIsForAllThreadsAndNotForChildren(t *testing.T) {
	before := policies(t, os.Getpid())
	if len(before) != 1 || before[policyNormal] == 0 {
		t.Skip("the test itself is not ordinary work")
	}
	hold := make(chan struct{})
	defer close(hold)
	for range 4 { // threads that exist only for a goroutine each
		started := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(started)
			<-hold
		}()
		<-started
	}
	if err := Batch(true); err != nil {
		t.Fatal(err)
	}
	defer Batch(false)
	if got := policies(t, os.Getpid()); len(got) != 1 || got[policyBatch] < 5 {
		t.Errorf("policies of threads %v, want batch (%d) only", got, policyBatch)
	}

	child := exec.Command("cat")
	input, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer input.Close()
	if err := Spawned(child.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if got := policies(t, child.Process.Pid); got[policyNormal] != 1 {
		t.Errorf("policies of the child %v, want the ordinary one", got)
	}

	if err := Batch(false); err != nil {
		t.Fatal(err)
	}
	if got := policies(t, os.Getpid()); len(got) != 1 || got[policyNormal] < 5 {
		t.Errorf("policies of threads after it %v, want the ordinary one", got)
	}
}

// Whoever has given the process idle time only, or real time, has that.
func TestBatchLeavesOtherPolicies(t *testing.T) {
	const policyIdle = 5
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its policy
		id := unix.Gettid()
		attr, err := unix.SchedGetAttr(id, 0)
		if err == nil {
			attr.Policy = policyIdle
			err = unix.SchedSetAttr(id, attr, 0)
		}
		if err == nil {
			_, err = set(id, true)
		}
		if err == nil {
			attr, err = unix.SchedGetAttr(id, 0)
		}
		if err == nil && attr.Policy != policyIdle {
			t.Errorf("policy %d, want that of idle time", attr.Policy)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
