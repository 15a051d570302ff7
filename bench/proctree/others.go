package proctree

import "time"

// kthreadd is the parent of the kernel's own threads, which work for everybody.
const kthreadd = 2

// Others returns the CPU time that processes outside the tree of root have used so far, but
// for the kernel's threads. Only differences mean something, and of a process that has begun
// and ended in between, whose parent has not waited for it, nothing is known.
func Others(root int) (time.Duration, error) {
	all, err := list()
	if err != nil {
		return 0, err
	}
	return others(all, root), nil
}

func others(all []Process, root int) (sum time.Duration) {
	inside := make(map[int]bool)
	for _, p := range tree(all, root) {
		inside[p.PID] = true
	}
	for _, p := range all {
		if !inside[p.PID] && p.PID != kthreadd && p.Parent != kthreadd {
			sum += p.own + p.reaped
		}
	}
	return sum
}
