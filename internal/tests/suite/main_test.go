//go:build linux

package suite

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What the tests start: set by TestMain.
var (
	binary     string // the server
	python     string // an interpreter that has the applications' libraries
	repository string // its root
	appsDir    string // the applications
	scratch    string // what all tests share: the binary, certificates, Django's database
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	flag.Parse()
	// Tests mostly wait for processes, so more of them than processors run at a time.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	var err error
	if scratch, err = os.MkdirTemp("", "suite"); err == nil {
		defer os.RemoveAll(scratch)
		err = prepare()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		return 1
	}
	return m.Run()
}

// prepare builds the server and the environment of the applications.
func prepare() error {
	var err error
	if repository, err = filepath.Abs("../../.."); err != nil {
		return err
	}
	appsDir = filepath.Join(repository, "internal", "tests", "suite", "apps")

	python = os.Getenv("ASTERI_SUITE_PYTHON")
	if python == "" {
		venv := filepath.Join(repository, ".venv", "tests")
		if err := run(repository, "scripts/venv.sh", venv, filepath.Join(appsDir, "requirements.txt")); err != nil {
			return err
		}
		python = filepath.Join(venv, "bin", "python")
	}

	binary = os.Getenv("ASTERI_SUITE_BINARY")
	if binary == "" {
		binary = filepath.Join(scratch, "asteri-loop")
		args := []string{"build", "-o", binary}
		if raceEnabled {
			args = append(args, "-race")
		}
		if err := run(repository, "go", append(args, "./cmd/asteri-loop")...); err != nil {
			return err
		}
	}

	// The tests hold many connections, and so do the servers they start.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}

// run runs a preparing command and returns its output with its error.
func run(dir, name string, args ...string) error {
	command := exec.Command(name, args...)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, cmp.Or(string(out), "no output"))
	}
	return nil
}
