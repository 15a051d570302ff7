package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/report"
)

// machineFacts describes where a run took place.
func machineFacts(ctx context.Context) []report.Fact {
	return []report.Fact{
		{Name: "processor", Value: valueIn("/proc/cpuinfo", "model name")},
		{Name: "cores", Value: strconv.Itoa(runtime.NumCPU())},
		{Name: "memory", Value: valueIn("/proc/meminfo", "MemTotal")},
		{Name: "kernel", Value: output(ctx, "uname", "-sr")},
		{Name: "system", Value: strings.Trim(valueIn("/etc/os-release", "PRETTY_NAME"), `"`)},
		{Name: "load average before", Value: firstLine("/proc/loadavg")},
	}
}

// versions names what was compared. Programs that are missing are left out.
func versions(ctx context.Context, root string, at peers.Place) []report.Fact {
	python := filepath.Join(at.Venv, "bin", "python")
	facts := []report.Fact{
		{Name: "Go", Value: runtime.Version()},
		{Name: "Python", Value: output(ctx, python, "--version")},
		{Name: "nginx", Value: output(ctx, "nginx", "-v")},
		{Name: "h2o", Value: output(ctx, "h2o", "--version")},
		{Name: "Caddy", Value: output(ctx, filepath.Join(at.Bin, "caddy"), "version")},
		{Name: "wrk", Value: output(ctx, "wrk", "-v")},
		{Name: "ab", Value: output(ctx, "ab", "-V")},
		{Name: "h2load", Value: output(ctx, "h2load", "--version")},
		{Name: "OpenSSL", Value: output(ctx, "openssl", "version")},
	}
	for _, module := range []string{
		"github.com/panjf2000/gnet/v2", "github.com/valyala/fasthttp", "github.com/lesismal/nbio",
		"github.com/lxzan/gws", "github.com/quic-go/quic-go",
	} {
		cmd := exec.CommandContext(ctx, "go", "list", "-m", module)
		cmd.Dir = root
		out, _ := cmd.Output()
		facts = append(facts, report.Fact{Name: filepath.Base(strings.TrimSuffix(module, "/v2")), Value: strings.TrimSpace(string(out))})
	}
	facts = append(facts, report.Fact{Name: "Python packages", Value: packages(ctx, python)})
	present := facts[:0]
	for _, f := range facts {
		if f.Value != "" {
			present = append(present, f)
		}
	}
	return present
}

// packages lists the installed peers, as "name==version ...".
func packages(ctx context.Context, python string) string {
	out, err := exec.CommandContext(ctx, python, "-m", "pip", "freeze", "--disable-pip-version-check").Output()
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// output returns the first line that a program prints, to either stream, or
// nothing if it cannot be run. Some print their version and exit non-zero.
func output(ctx context.Context, name string, args ...string) string {
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

// revision names the commit measured, and says if the tree had changes in it.
func revision(ctx context.Context, root string) string {
	commit := output(ctx, "git", "-C", root, "rev-parse", "--short", "HEAD")
	if output(ctx, "git", "-C", root, "status", "--porcelain", "--untracked-files=no") != "" {
		commit += "-dirty"
	}
	return commit
}
