package descriptors

import (
	"errors"
	"os"
	"sync/atomic"
)

// File is an open file that requests have: several may hold it, and the last one to
// close it closes the file. So a response in parts, or many of one file, take a
// single descriptor.
type File struct {
	*os.File
	holds atomic.Int32
}

// NewFile makes a file of f for one holder. Take was called for it before, and
// Release is called when it is closed.
func NewFile(f *os.File) *File {
	s := &File{File: f}
	s.holds.Store(1)
	return s
}

// TakeFile is Take and NewFile in one. If there is no descriptor for f it is closed.
func TakeFile(f *os.File) (*File, error) {
	if !Take() {
		return nil, errors.Join(ErrExhausted, f.Close())
	}
	return NewFile(f), nil
}

// Hold counts another holder, and tells whether the file is open yet: who holds it
// already knows.
func (s *File) Hold() bool {
	for {
		n := s.holds.Load()
		if n <= 0 {
			return false
		}
		if s.holds.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Close is called once by each holder, from any goroutine.
func (s *File) Close() error {
	if s.holds.Add(-1) > 0 {
		return nil
	}
	err := s.File.Close()
	Release()
	return err
}
