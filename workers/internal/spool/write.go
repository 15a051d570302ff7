package spool

import (
	"os"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

// spill gives what waits in memory to a goroutine, unless one is at work
// already: then the end of its work does so.
func (b *Buffer) spill() {
	if b.writing || b.closed || b.err != nil || len(b.mem) == 0 {
		return
	}
	b.writing = true
	b.flying = len(b.mem)
	p, file, at := b.mem, b.file, b.fileSize
	b.mem = nil
	b.store.disk.Go(func() {
		file, err := b.store.write(file, p, at)
		if !b.owner.Post(func() { b.finish(file, len(p), err) }) && file != nil {
			file.Close()
		}
	})
}

// write writes p at offset at and makes the file if there is none yet.
func (s *Store) write(file *descriptors.File, p []byte, at int64) (*descriptors.File, error) {
	if file == nil {
		if !descriptors.Take() {
			return nil, descriptors.ErrExhausted
		}
		f, err := TempFile(s.dir)
		if err != nil {
			descriptors.Release()
			return nil, err
		}
		file = descriptors.NewFile(f)
	}
	_, err := file.WriteAt(p, at)
	return file, err
}

// TempFile makes a temporary file in dir, empty for the system's directory. It has
// no name any more, so that nobody else can open it and nothing is left behind
// however the process ends.
func TempFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "asteri-spool-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// finish takes the outcome of a write, on the owner.
func (b *Buffer) finish(file *descriptors.File, n int, err error) {
	b.hold(-b.flying)
	b.flying = 0
	b.writing = false
	b.file = file
	if b.closed {
		b.Close()
		return
	}
	if err != nil {
		b.err = err
		b.wrote(0, err)
		return
	}
	b.fileSize += int64(n)
	// The first write includes what memory held and was reported already.
	reported := min(b.kept, n)
	b.kept -= reported
	b.spill()
	b.wrote(n-reported, nil)
}
