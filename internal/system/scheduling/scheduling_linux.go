package scheduling

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Supported tells whether the system has batch work.
const Supported = true

// Policies of sched(7).
const (
	policyNormal = 0
	policyBatch  = 3
)

// maxRounds bounds the looks at the list of threads: a thread inherits the policy of the
// one that makes it, which may have been that before the change.
const maxRounds = 4

func setThreads(batch bool) error {
	for range maxRounds {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		changed := false
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			did, err := set(id, batch)
			if err != nil {
				return err
			}
			changed = changed || did
		}
		if !changed {
			return nil
		}
	}
	return nil
}

func setThread(id int, batch bool) error {
	_, err := set(id, batch)
	return err
}

// set tells whether the thread had another policy. It keeps the thread's niceness. A
// thread that has ended needs none.
func set(id int, batch bool) (changed bool, err error) {
	from, to := uint32(policyBatch), uint32(policyNormal)
	if batch {
		from, to = to, from
	}
	attr, err := unix.SchedGetAttr(id, 0)
	if err == nil && attr.Policy == from {
		attr.Policy = to
		changed = true
		err = unix.SchedSetAttr(id, attr, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	return changed, os.NewSyscallError("sched_setattr", err)
}
