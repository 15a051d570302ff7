package proctree

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// killWait bounds the wait for a killed tree to disappear.
const killWait = 5 * time.Second

// Stop ends the tree of root: SIGTERM to root, and SIGKILL to whatever of the
// tree is left after grace. The caller must be waiting for root (exec.Cmd.Wait
// in a goroutine), and should have called AdoptOrphans, or zombies remain.
func Stop(root int, grace time.Duration) error {
	known := map[int]Process{}
	if err := gather(known, root); err != nil {
		return err
	}
	if err := signal(root, syscall.SIGTERM); err != nil {
		return err
	}
	gone, err := waitGone(known, root, grace, nil)
	if gone || err != nil {
		return err
	}
	gone, err = waitGone(known, root, killWait, kill)
	if err == nil && !gone {
		err = fmt.Errorf("proctree: tree of process %d outlives SIGKILL", root)
	}
	return err
}

// waitGone polls until no member of the tree is left, adding to known those
// that were born meanwhile and dropping those that ended. It calls each, unless that is
// nil, with all that are left, each time.
func waitGone(known map[int]Process, root int, limit time.Duration, each func(map[int]Process) error) (bool, error) {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if err := gather(known, root); err != nil {
			return false, err
		}
		if len(known) == 0 {
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		if each != nil {
			if err := each(known); err != nil {
				return false, err
			}
		}
	}
}

// kill ends processes. It has to be done again for those that a parent started between
// the end of its children and its own.
func kill(all map[int]Process) error {
	for pid := range all {
		if err := signal(pid, syscall.SIGKILL); err != nil {
			return err
		}
	}
	return nil
}

// gather brings known up to date: members of the tree of root, and the
// processes known from before wherever they hang now.
func gather(known map[int]Process, root int) error {
	all, err := list()
	if err != nil {
		return err
	}
	alive := make(map[int]Process, len(all))
	for _, p := range all {
		alive[p.PID] = p
	}
	for pid, p := range known {
		if alive[pid].Started != p.Started {
			delete(known, pid)
			reap(pid)
		}
	}
	for _, p := range tree(all, root) {
		known[p.PID] = p
		if p.PID != root {
			reap(p.PID)
		}
	}
	return nil
}

// reap collects a zombie that AdoptOrphans has made our child. For every
// other process it does nothing.
func reap(pid int) {
	_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
}

// signal sends sig, and accepts that the process is gone.
func signal(pid int, sig syscall.Signal) error {
	err := syscall.Kill(pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
