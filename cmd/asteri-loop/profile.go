//go:build profile

package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"time"
)

// Built with the tag profile, the server writes a CPU profile of its first seconds,
// ASTERI_CPU_PROFILE_TIME, into the file that ASTERI_CPU_PROFILE names. scripts/pgo.sh
// makes default.pgo of such profiles.
var _ = startProfile()

func startProfile() bool {
	path := os.Getenv("ASTERI_CPU_PROFILE")
	if path == "" {
		return false
	}
	var f *os.File
	length, err := time.ParseDuration(os.Getenv("ASTERI_CPU_PROFILE_TIME"))
	if err == nil {
		f, err = os.Create(path)
	}
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "asteri-loop: no profile:", err)
		os.Exit(exitFailure)
	}
	time.AfterFunc(length, func() {
		pprof.StopCPUProfile()
		f.Close()
	})
	return true
}
