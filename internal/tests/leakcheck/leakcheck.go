//go:build unix

// Package leakcheck finds what a test leaves behind: descriptors, goroutines
// and child processes.
package leakcheck

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long the end of a test waits for things to go away: closing
// is often the business of a goroutine or a process that has just been told.
const patience = 10 * time.Second

// Check notes what the process has now and, after the test and the cleanups
// registered later, fails it for whatever has come and not gone. Only direct
// children count. It sees the whole process, so a test that uses it must not
// run in parallel with others.
func Check(t testing.TB) {
	t.Helper()
	openRuntimePoller()
	goroutines := goleak.IgnoreCurrent()
	before := take(t)
	t.Cleanup(func() {
		if t.Failed() {
			return // what a failed test left unfinished would only hide why
		}
		var left []string
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			left = take(t).since(before)
			if len(left) == 0 || time.Now().After(deadline) {
				break
			}
		}
		for _, what := range left {
			t.Errorf("left behind: %s", what)
		}
		// Its own retries end after some hundred milliseconds.
		for deadline := time.Now().Add(patience); ; {
			err := goleak.Find(goroutines)
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("left behind: %v", err)
				return
			}
		}
	})
}

// openRuntimePoller makes the Go runtime open the descriptors of its own
// network poller, which it does at the first use and never closes.
var openRuntimePoller = sync.OnceFunc(func() {
	if r, w, err := os.Pipe(); err == nil {
		_ = r.Close()
		_ = w.Close()
	}
})

// snapshot maps each descriptor and child process to a description.
type snapshot map[string]string

func take(t testing.TB) snapshot {
	t.Helper()
	s := snapshot{}
	if err := s.addDescriptors(); err != nil {
		t.Fatalf("leakcheck: %v", err)
	}
	if err := s.addChildren(); err != nil {
		t.Fatalf("leakcheck: %v", err)
	}
	return s
}

// since lists what s has and before has not. A descriptor whose number stands
// for something else now is new.
func (s snapshot) since(before snapshot) []string {
	var fresh []string
	for name, what := range s {
		if old, ok := before[name]; !ok || old != what {
			fresh = append(fresh, strings.TrimSpace(name+" "+what))
		}
	}
	return fresh
}

func (s snapshot) addDescriptors() error {
	dir, err := os.Open(descriptorDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == fmt.Sprint(dir.Fd()) {
			continue
		}
		what, err := describe(name)
		if err != nil {
			continue // closed since it was listed
		}
		s["descriptor "+name] = what
	}
	return nil
}
