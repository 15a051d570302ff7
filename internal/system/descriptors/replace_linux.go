package descriptors

import (
	"os"

	"golang.org/x/sys/unix"
)

// Replace has the number of an open descriptor, such as a standard stream's, stand for another one's file.
func Replace(number, by int) error {
	if number == by {
		return nil
	}
	return os.NewSyscallError("dup3", unix.Dup3(by, number, 0))
}
