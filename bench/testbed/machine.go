package testbed

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/bench/report"
)

// Machine describes where a run took place.
func Machine(ctx context.Context) []report.Fact {
	return []report.Fact{
		{Name: "processor", Value: valueIn("/proc/cpuinfo", "model name")},
		{Name: "cores", Value: strconv.Itoa(runtime.NumCPU())},
		{Name: "memory", Value: valueIn("/proc/meminfo", "MemTotal")},
		{Name: "kernel", Value: Output(ctx, "uname", "-sr")},
		{Name: "system", Value: strings.Trim(valueIn("/etc/os-release", "PRETTY_NAME"), `"`)},
		{Name: "load average before", Value: firstLine("/proc/loadavg")},
	}
}

// Output returns the first line that a program prints, to either stream, or
// nothing if it cannot be run. Some print their version and exit non-zero.
func Output(ctx context.Context, name string, args ...string) string {
	out, _ := exec.CommandContext(ctx, name, args...).CombinedOutput()
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	return strings.TrimSpace(string(line))
}

// valueIn returns the first value of a key in a file of lines "key: value" or
// "key=value".
func valueIn(file, key string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, key)
		if !ok {
			continue
		}
		if value := strings.TrimLeft(strings.TrimSpace(rest), ":= \t"); value != "" {
			return value
		}
	}
	return ""
}

func firstLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// Revision names the commit measured, and says if the tree had changes in it.
func Revision(ctx context.Context, root string) string {
	commit := Output(ctx, "git", "-C", root, "rev-parse", "--short", "HEAD")
	if Output(ctx, "git", "-C", root, "status", "--porcelain", "--untracked-files=no") != "" {
		commit += "-dirty"
	}
	return commit
}
