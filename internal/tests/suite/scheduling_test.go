//go:build linux

package suite

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestScheduling: while there is much to do for many connections, the server's threads are
// batch work and its workers are not, also those that begin then.
func TestScheduling(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "-w", "1")...)
	equal(t, "a server with nothing to do is batch work", isBatch(t, s.pid), false)

	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			c := s.over(t, "http")
			for {
				select {
				case <-stop:
					return
				default:
				}
				response, err := c.http.Do(c.request("GET", "/", nil))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		})
	}
	s.eventually("the server is batch work", func() bool { return isBatch(t, s.pid) })
	before := s.workers()
	s.signal(unix.SIGHUP)
	s.eventually("another worker serves", func() bool {
		now := s.workers()
		return len(now) == 1 && now[0] != before[0]
	})
	equal(t, "its worker is batch work", isBatch(t, s.workers()[0]), false)
	close(stop)
	clients.Wait()
}

func TestSchedulingThatIsChosen(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "-w", "1", "--scheduling", "batch")...)
	equal(t, "the server is batch work", isBatch(t, s.pid), true)
	equal(t, "its worker is", isBatch(t, s.workers()[0]), false)
}

// isBatch tells whether all threads of a process are batch work. None or all have to be.
func isBatch(t *testing.T, pid int) bool {
	t.Helper()
	const policyBatch = 3
	tasks, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		id, _ := strconv.Atoi(task.Name())
		if attr, err := unix.SchedGetAttr(id, 0); err == nil && attr.Policy != policyBatch {
			return false
		}
	}
	return true
}
