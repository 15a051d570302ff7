// Package scheduling tells the system how to share processors between this process and
// others.
//
// Usually a thread that is woken takes the processor from another one. That is right for a
// single request. With many in flight, each answer of a worker then interrupts another
// worker, and the front end finds one event at a time where it could have found a dozen.
// As batch work (SCHED_BATCH of Linux) its threads get the same share of the processors
// but wait for their turn.
package scheduling

import "sync"

// Process is the state of this process's threads: one, for all servers in it.
var process struct {
	mu    sync.Mutex
	batch bool
}

// Batch makes all threads of the process batch work, or ordinary again, as long as it is
// nothing else: who has given it a policy of real time, or that of idle time, has it. It
// may be called from any goroutine.
func Batch(on bool) error {
	process.mu.Lock()
	defer process.mu.Unlock()
	if err := setThreads(on); err != nil {
		return err
	}
	process.batch = on
	return nil
}

// IsBatch tells what the last call of Batch has done.
func IsBatch() bool {
	process.mu.Lock()
	defer process.mu.Unlock()
	return process.batch
}

// Spawned is called for a child process that has just begun. It has inherited what Batch
// has done, which was not meant for it.
func Spawned(pid int) error {
	process.mu.Lock()
	defer process.mu.Unlock()
	if !process.batch {
		return nil
	}
	return setThread(pid, false)
}
