// Package lockfile keeps files that say of a process that it lives. Such a file is locked for
// as long as the process has it: so one that a killed process has left can be told from the
// others, whatever has become of process ids, and in containers that share a folder.
package lockfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// ErrHeld says that another process has the file.
var ErrHeld = errors.New("another process has it")

// File is a file of this process.
type File struct {
	file *os.File
	path string
}

// Create makes the file path with a text, in place of one whose process is gone. The error is ErrHeld,
// wrapped, if another lives.
func Create(path, text string, mode os.FileMode) (*File, error) {
	if held(path) {
		return nil, &os.PathError{Op: "create", Path: path, Err: ErrHeld}
	}
	return Replace(path, text, mode)
}

// Replace makes the file path, also in place of one that another process has. That leaves it
// alone when it ends.
func Replace(path, text string, mode os.FileMode) (*File, error) {
	// It gets its name once it is locked: nobody is to take it for a dead process's. It
	// follows no link that another has put there.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, err
	}
	if err = lock(f); err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = f.Close() // the first error says more
		_ = os.Remove(f.Name())
		return nil, err
	}
	return &File{f, path}, nil
}

// held tells whether a process has the file.
func held(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close() // only read
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// lock takes a file for this process, if no other has it. Workers do not get it: it is
// closed when they start.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// Sweep removes the files of a pattern (filepath.Match) whose processes have ended without doing so. What cannot
// be removed stays.
func Sweep(pattern string) {
	names, _ := filepath.Glob(pattern) // a bad pattern fits nothing
	for _, name := range names {
		if !held(name) {
			_ = os.Remove(name)
		}
	}
}

// Path returns where the file is.
func (f *File) Path() string { return f.path }

// Remove takes the file away, unless another has its name now. One that may not be removed,
// since the folder is another user's, is emptied.
func (f *File) Remove() {
	if f == nil {
		return
	}
	defer f.file.Close() // it was written long ago
	ours, err := f.file.Stat()
	now, gone := os.Lstat(f.path)
	if err != nil || gone != nil || !os.SameFile(ours, now) {
		return
	}
	if os.Remove(f.path) != nil {
		_ = f.file.Truncate(0) // what is left says nothing then; there is no more to do
	}
}
