package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/report"
	"github.com/asteri/asteri-loop/bench/testbed"
)

// versions names what was compared. Programs that are missing are left out.
func versions(ctx context.Context, root string, at peers.Place) []report.Fact {
	python := filepath.Join(at.Venv, "bin", "python")
	facts := []report.Fact{
		{Name: "Go", Value: runtime.Version()},
		{Name: "Python", Value: testbed.Output(ctx, python, "--version")},
		{Name: "nginx", Value: testbed.Output(ctx, "nginx", "-v")},
		{Name: "h2o", Value: testbed.Output(ctx, "h2o", "--version")},
		{Name: "Caddy", Value: testbed.Output(ctx, filepath.Join(at.Bin, "caddy"), "version")},
		{Name: "wrk", Value: testbed.Output(ctx, "wrk", "-v")},
		{Name: "ab", Value: testbed.Output(ctx, "ab", "-V")},
		{Name: "h2load", Value: testbed.Output(ctx, "h2load", "--version")},
		{Name: "OpenSSL", Value: testbed.Output(ctx, "openssl", "version")},
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
