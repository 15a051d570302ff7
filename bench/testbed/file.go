package testbed

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// WriteFile leaves what write writes in a file, whose folder is made.
func WriteFile(name string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
