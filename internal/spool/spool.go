// Package spool keeps bytes in memory up to a limit, and in a temporary file
// beyond it. Event loops use it: no call waits for a disk.
package spool

import "github.com/asteri/asteri-loop/internal/descriptors"

// Store makes buffers. It bounds how many goroutines write their files.
type Store struct {
	dir     string
	reserve func(n int64)
	slots   chan struct{}
}

// writers is how many buffers of a store are written to disk at a time.
const writers = 8

// NewStore returns a store with its temporary files in dir, as TempFile makes them.
// reserve, if not nil, is told of each change of the memory in use, in bytes, from
// any goroutine.
func NewStore(dir string, reserve func(n int64)) *Store {
	if reserve == nil {
		reserve = func(int64) {}
	}
	return &Store{dir: dir, reserve: reserve, slots: make(chan struct{}, writers)}
}

// Owner runs functions on the goroutine that owns a buffer, as asteri.Executor
// does: in order, and false once it has ended.
type Owner interface {
	Post(fn func()) bool
}

// Buffer is a growing sequence of bytes. All methods belong to its owner.
type Buffer struct {
	store  *Store
	owner  Owner
	memory int                    // limit on mem
	wrote  func(n int, err error) // progress of the file

	mem      []byte // what is not in the file: all of it without one
	file     *descriptors.File
	fileSize int64 // bytes written to the file
	size     int64 // bytes appended
	kept     int   // bytes reported as stored that the file does not hold yet
	spilled  bool  // there is, or will be, a file
	writing  bool  // a goroutine works on the file
	closed   bool
	err      error
}

// New makes a buffer of which the first memory bytes stay in memory; 0 means
// that all go to a file. expect, if positive, is how long it will become. wrote
// is called on the owner for each Append that did not end at once.
func (s *Store) New(owner Owner, memory int, expect int64, wrote func(n int, err error)) *Buffer {
	b := &Buffer{store: s, owner: owner, memory: memory, wrote: wrote}
	if expect > 0 && expect <= int64(memory) {
		b.mem = make([]byte, 0, expect)
	}
	return b
}

// Append adds a copy of p. It returns true if p is stored; else it is being
// written, and wrote is called with the number of bytes that were, once or more
// often. An error is final: wrote is called with it once, and for no bytes.
// Who appends bounds what is being written at a time.
func (b *Buffer) Append(p []byte) (stored bool) {
	if b.closed || b.err != nil {
		return false
	}
	b.size += int64(len(p))
	b.store.reserve(int64(len(p)))
	if !b.spilled && len(b.mem)+len(p) <= b.memory {
		b.mem = append(b.mem, p...)
		return true
	}
	if !b.spilled {
		b.spilled = true
		b.kept = len(b.mem)
	}
	b.mem = append(b.mem, p...)
	b.spill()
	return false
}

// Size returns how many bytes were appended.
func (b *Buffer) Size() int64 { return b.size }

// Spilled tells whether the bytes are in a file.
func (b *Buffer) Spilled() bool { return b.spilled }

// Settled tells whether all that was appended is stored.
func (b *Buffer) Settled() bool { return !b.spilled || !b.writing && len(b.mem) == 0 }

// Bytes returns the content of a buffer that has not spilled. It is the
// buffer's own, and valid until the next Append.
func (b *Buffer) Bytes() []byte { return b.mem }

// File returns the file of a buffer that has spilled, and how many of its bytes
// are written. It is nil before the first are, and the buffer's own: who needs it
// for longer holds it.
func (b *Buffer) File() (f *descriptors.File, written int64) {
	return b.file, b.fileSize
}

// Close drops the content and closes the file. wrote is not called any more.
func (b *Buffer) Close() {
	b.closed = true
	b.store.reserve(-int64(len(b.mem)))
	b.mem = nil
	if b.file != nil && !b.writing {
		b.file.Close()
		b.file = nil
	}
}
