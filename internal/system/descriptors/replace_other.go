//go:build !linux

package descriptors

import (
	"os"

	"golang.org/x/sys/unix"
)

// Replace has the number of an open descriptor, such as a standard stream's, stand for another one's file.
func Replace(number, by int) error { return os.NewSyscallError("dup2", unix.Dup2(by, number)) }
