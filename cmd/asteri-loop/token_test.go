package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestTokenFilesAreSwept: the file of a server that was killed goes with the next start,
// that of one that lives stays.
func TestTokenFilesAreSwept(t *testing.T) {
	dir := t.TempDir()
	begin := func() *process {
		p := launch(t, t.TempDir(), []string{"XDG_RUNTIME_DIR=" + dir}, "-b", "127.0.0.1:0")
		p.await("Running ")
		return p
	}
	files := func() int {
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	living := begin()
	for range 2 {
		killed := begin()
		killed.signal(syscall.SIGKILL)
		killed.exit()
	}
	if n := files(); n != 2 { // the living one's, and the last killed one's
		t.Errorf("%d files", n)
	}
	last := begin()
	if n := files(); n != 2 {
		t.Errorf("%d files", n)
	}
	for _, p := range []*process{living, last} {
		p.signal(syscall.SIGTERM)
		p.exit()
	}
	if n := files(); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// TestForeignDirectoriesStay: a directory that another has made stays when its last file
// goes, whatever it is called.
func TestForeignDirectoriesStay(t *testing.T) {
	runtime, temp := filepath.Join(t.TempDir(), "asteri-loop-runtime"), t.TempDir()
	if err := os.Mkdir(runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, env := range [][]string{{"XDG_RUNTIME_DIR=" + runtime}, {"XDG_RUNTIME_DIR=", "TMPDIR=" + temp}} {
		p := launch(t, t.TempDir(), env, "-b", "127.0.0.1:0")
		p.await("Status page: ")
		p.await("token_file=")
		p.signal(syscall.SIGTERM)
		p.exit()
	}
	if names, err := os.ReadDir(runtime); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
	if names, err := filepath.Glob(filepath.Join(temp, "asteri-loop-*")); err != nil || len(names) > 0 {
		t.Errorf("the server's own is left: %v, %v", names, err)
	}
}
