package testbed

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Main runs a command of the harness until it is done or a signal ends it, and exits with
// 1 if it has failed.
func Main(name string, run func(ctx context.Context, args []string, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Place is where a command measures. Tmp is a folder for it to remove, with the server under
// test in it.
type Place struct{ Root, Tmp, Binary string }

// Prepare makes a place, whose folder has a name that begins with prefix, and the server there:
// see Server for from.
func Prepare(ctx context.Context, prefix, from string) (p Place, err error) {
	if p.Root, err = ModuleRoot(ctx); err != nil {
		return p, err
	}
	if p.Tmp, err = os.MkdirTemp("", prefix); err != nil {
		return p, err
	}
	p.Binary = filepath.Join(p.Tmp, "asteri-loop")
	if err := Server(ctx, p.Root, from, p.Binary); err != nil {
		return p, errors.Join(err, os.RemoveAll(p.Tmp))
	}
	return p, nil
}

// In returns a path that may be relative to the module.
func (p *Place) In(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.Root, path)
}

// Wanted tells whether a name holds one of the words, which commas separate; without words each does.
func Wanted(name, words string) bool {
	return words == "" || slices.ContainsFunc(strings.Split(words, ","), func(word string) bool { return strings.Contains(name, word) })
}
