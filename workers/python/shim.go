package python

import (
	"archive/zip"
	"bytes"
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// The Python side of the link. Patterns with a wildcard, because a plain folder
// would leave out the files that begin with an underscore.
//
//go:embed shim/*.py shim/asteri_worker/*.py shim/asteri_worker/models/*.py
var shimFiles embed.FS

// shim is the embedded Python side as a zip file in a directory that only this
// user can enter. The file is made again if something has cleaned it away, as
// systems do with temporary files that nobody has touched for days.
type shim struct {
	mu   sync.Mutex
	temp string
	dir  string
}

// path returns the zip file for a process about to be started.
func (s *shim) path() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir != "" {
		path := filepath.Join(s.dir, "asteri_worker.zip")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	dir, err := os.MkdirTemp(s.temp, "asteri-worker-") // mode 0700
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "asteri_worker.zip")
	data, err := zipShim()
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	s.removeLocked()
	s.dir = dir
	return path, nil
}

// remove deletes the directory.
func (s *shim) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeLocked()
}

func (s *shim) removeLocked() {
	if s.dir != "" {
		// What is left behind is a few kilobytes that the system cleans away.
		_ = os.RemoveAll(s.dir)
		s.dir = ""
	}
}

func zipShim() ([]byte, error) {
	root, err := fs.Sub(shimFiles, "shim")
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	err = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".py") {
			return err
		}
		data, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		// Stored, not deflated: it is read once by each worker.
		f, err := w.CreateHeader(&zip.FileHeader{Name: path, Method: zip.Store})
		if err == nil {
			_, err = f.Write(data)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = w.Close()
	return buf.Bytes(), err
}
