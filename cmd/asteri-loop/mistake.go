package main

import (
	"errors"
	"net"
	"slices"
	"syscall"
)

// mistake is one in the settings that shows only when they are used, such as the name
// of a file that there is not.
type mistake struct{ error }

func (m mistake) Unwrap() error { return m.error }

// blameSettings makes err a mistake in the settings, unless it is the machine that lacks
// something: then the same settings may work the next time.
func blameSettings(err error) error {
	lacking := []error{
		syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO,
		syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, // an interface may get its address later
	}
	if err == nil || errors.As(err, new(*net.DNSError)) || slices.ContainsFunc(lacking, func(e error) bool { return errors.Is(err, e) }) {
		return err
	}
	return mistake{err}
}

// exitStatus is that of a server that could not start because of err.
func exitStatus(err error) int {
	if errors.As(err, new(mistake)) {
		return exitUsage
	}
	return exitFailure
}
