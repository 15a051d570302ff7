package proctree

import "golang.org/x/sys/unix"

// AdoptOrphans makes this process the parent of those of its descendants
// whose own parents die, so that Stop finds and reaps them.
func AdoptOrphans() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}
