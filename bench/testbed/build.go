package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Server puts the server under test at to: a copy of the binary given, or
// one built from the tree. What is there goes first: a running program cannot
// be written over, and go build will not replace what it did not make.
func Server(ctx context.Context, root, from, to string) error {
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return err
	}
	if from == "" {
		return Build(ctx, root, "./cmd/asteri-loop", to)
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// Build compiles a package of the module at root.
func Build(ctx context.Context, root, pkg, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", to, pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ModuleRoot returns the folder of the module that the harness belongs to.
func ModuleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("run it inside the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
