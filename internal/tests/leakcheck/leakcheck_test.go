//go:build unix

package leakcheck

import (
	"os"
	"os/exec"
	"testing"
)

// found counts what leave leaves behind, and sees that nothing remains once it
// is undone.
func found(t *testing.T, leave func() (undo func())) int {
	t.Helper()
	openRuntimePoller()
	before := take(t)
	undo := leave()
	n := len(take(t).since(before))
	undo()
	if left := take(t).since(before); len(left) != 0 {
		t.Errorf("still there after it was undone: %v", left)
	}
	return n
}

func TestDescriptorsAreFound(t *testing.T) {
	n := found(t, func() func() {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return func() { r.Close(); w.Close() }
	})
	if n != 2 {
		t.Errorf("found %d of a pipe's 2 ends", n)
	}
}

func TestChildrenAreFound(t *testing.T) {
	n := found(t, func() func() {
		child := exec.Command("sleep", "600")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		return func() { child.Process.Kill(); child.Wait() }
	})
	// Some systems hold a descriptor for the child as well.
	if n < 1 {
		t.Error("did not find a child process")
	}
}

func TestNothingIsFound(t *testing.T) {
	Check(t)
	done := make(chan struct{})
	go func() { <-done }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(done); r.Close(); w.Close() })
}
