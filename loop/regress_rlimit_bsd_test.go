//go:build freebsd || dragonfly

package loop_test

import "golang.org/x/sys/unix"

func rlimit(n uint32) *unix.Rlimit { return &unix.Rlimit{Cur: int64(n), Max: int64(n)} }
