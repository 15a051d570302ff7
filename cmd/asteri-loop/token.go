package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/asteri/asteri-loop/internal/system/lockfile"
)

// makeToken makes a token if the status page needs one.
func (p *program) makeToken() {
	if !p.cfg.Server.Status.Off && p.token == "" {
		p.token, p.ownToken = rand.Text(), true
	}
}

// keepToken puts the token into a file of this user's. Without one only who reads the terminal
// knows it.
func (p *program) keepToken() {
	if !p.ownToken {
		return
	}
	file, err := writeToken(p.token)
	if err != nil {
		p.logs.Warn("The status token cannot be kept in a file; --status-token sets one", "error", err)
		return
	}
	p.tokenFile = file
}

// tokenFile is the file with the status token.
type tokenFile struct {
	*lockfile.File
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

// writeToken makes the file, and removes those of servers that were killed.
func writeToken(token string) (*tokenFile, error) {
	dir, ours, err := tokenDir()
	if err != nil {
		return nil, err
	}
	lockfile.Sweep(filepath.Join(dir, "asteri-loop-*.token"))
	f, err := lockfile.Create(filepath.Join(dir, fmt.Sprintf("asteri-loop-%d.token", os.Getpid())), token+"\n", 0o600)
	if err != nil {
		return nil, err
	}
	return &tokenFile{f, ours}, nil
}

// remove takes the file away, and the directory if it is ours and nothing else is there.
func (f *tokenFile) remove() {
	if f == nil {
		return
	}
	f.Remove()
	if f.ours {
		_ = os.Remove(filepath.Dir(f.Path())) // fails while another server has a file there
	}
}
