package main

import (
	"bytes"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// reapOrphans takes the exit status of processes that nobody else waits for, if the
// server is process 1, as in a container: what applications leave behind becomes the
// child of that, and would stay as a zombie.
func reapOrphans() {
	if os.Getpid() != 1 {
		return
	}
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	go func() {
		for range died {
			for left := zombies(); len(left) > 0; {
				time.Sleep(reapAfter)
				left = reap(left)
			}
		}
	}()
}

// reapAfter is how long a process must have been dead for it to be an orphan: the
// server's own are waited for, which takes milliseconds.
const reapAfter = time.Second

// zombie is a dead child; a number may be used again, but not with the same start.
type zombie struct {
	pid   int
	start string
}

// reap takes the status of those that were dead before, and returns who is left.
func reap(before map[zombie]bool) map[zombie]bool {
	now := zombies()
	maps.DeleteFunc(now, func(z zombie, _ bool) bool {
		if !before[z] {
			return false
		}
		_, _ = syscall.Wait4(z.pid, nil, syscall.WNOHANG, nil) // whose status nobody wants
		return true
	})
	return now
}

// zombies are this process's dead children.
func zombies() map[zombie]bool {
	names, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	found := make(map[zombie]bool)
	for _, name := range names {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// proc(5): "pid (comm) state ppid ..."; comm may hold anything. The start is field 22.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		const state, parent, start = 0, 1, 19
		if len(fields) <= start || string(fields[state]) != "Z" || string(fields[parent]) != "1" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			found[zombie{pid, string(fields[start])}] = true
		}
	}
	return found
}
