package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// keepToken makes a token if the status page needs one, and puts it into a file of this
// user's. Without one only who reads the terminal knows it.
func (p *program) keepToken() {
	if p.cfg.Server.Status.Off || p.token != "" && !p.inheritedToken {
		return
	}
	if p.token == "" {
		p.token = rand.Text()
	}
	file, err := writeToken(p.token)
	if err != nil {
		p.logs.Warn("The status token cannot be kept in a file; --status-token sets one", "error", err)
		return
	}
	p.tokenFile = file
}

// tokenFile is the file with the status token. It is open, and locked, as long as the
// server lives: so the files of servers that were killed can be told from the others,
// whatever has become of their process ids, and in containers that share the directory.
type tokenFile struct {
	file *os.File
	path string
	// ours says that the directory is one that servers make for their files.
	ours bool
}

// tokenDir returns a directory that only this user can write to: the user's runtime
// directory, or one below that for temporary files, which then is ours.
func tokenDir() (dir string, ours bool, err error) {
	dir = os.Getenv("XDG_RUNTIME_DIR")
	if ours = dir == ""; ours {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("asteri-loop-%d", os.Getuid()))
		if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
			return "", false, err
		}
	}
	info, err := os.Lstat(dir) //nolint:gosec // the user names it, for the user's own files
	if err != nil {
		return "", false, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm()&0o022 != 0 || ok && int(owner.Uid) != os.Getuid() {
		return "", false, fmt.Errorf("%s is not a directory that only this user can write to", dir)
	}
	return dir, ours, nil
}

// writeToken makes the file. It follows no link that another has put there.
func writeToken(token string) (*tokenFile, error) {
	dir, ours, err := tokenDir()
	if err != nil {
		return nil, err
	}
	sweepTokens(dir)
	// It gets its name once it is locked: nobody is to take it for a dead server's.
	f, err := os.CreateTemp(dir, ".asteri-loop-*") // with the permissions 0600
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fmt.Sprintf("asteri-loop-%d.token", os.Getpid()))
	if err = lock(f); err == nil {
		_, err = f.WriteString(token + "\n")
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = f.Close() // the first error says more
		_ = os.Remove(f.Name())
		return nil, err
	}
	return &tokenFile{f, path, ours}, nil
}

// lock takes the file for this process, if no other has it. Workers do not get it: it is
// closed when they start.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// sweepTokens removes the files of servers that have ended without doing so. What cannot
// be removed stays: it opens nothing any more.
func sweepTokens(dir string) {
	names, _ := filepath.Glob(filepath.Join(dir, "asteri-loop-*.token")) // the pattern is well-formed
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW, 0) // in the user's own directory
		if err != nil {
			continue
		}
		if lock(f) == nil {
			_ = os.Remove(name)
		}
		_ = f.Close() // only read
	}
}

// remove takes the file away, and the directory if it is ours and nothing else is there.
func (f *tokenFile) remove() {
	if f == nil {
		return
	}
	_ = os.Remove(f.path) // it opens nothing any more
	if f.ours {
		_ = os.Remove(filepath.Dir(f.path)) // fails while another server has a file there
	}
	_ = f.file.Close() // it was written long ago
}
