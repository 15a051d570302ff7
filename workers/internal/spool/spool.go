// Package spool keeps bytes in memory up to a limit, and in a temporary file
// beyond it. Event loops use it: no call waits for a disk.
package spool

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// Store makes buffers. It bounds how many goroutines write their files.
type Store struct {
	dir  string
	disk *jobs.Pool
}

// writers is how many buffers of a store are written to disk at a time.
const writers = 8

// NewStore returns a store with its temporary files in dir, as TempFile makes them.
func NewStore(dir string) *Store {
	return &Store{dir: dir, disk: jobs.NewPool(writers)}
}

// Client is for whom a buffer is kept; an asteri.Exchange is one.
type Client interface {
	// Home runs functions on the goroutine that owns the buffer.
	Home() asteri.Executor
	// Reserve counts memory, on that goroutine.
	Reserve(n int)
}

// Buffer is a growing sequence of bytes. All methods belong to its owner.
type Buffer struct {
	store  *Store
	client Client
	owner  asteri.Executor        // the client's home
	memory int                    // limit on mem
	wrote  func(n int, err error) // progress of the file

	mem      []byte // what is not in the file: all of it without one
	file     *descriptors.File
	fileSize int64 // bytes written to the file
	size     int64 // bytes appended
	flying   int   // bytes that a goroutine writes
	kept     int   // bytes reported as stored that the file does not hold yet
	spilled  bool  // there is, or will be, a file
	writing  bool  // a goroutine works on the file
	closed   bool
	err      error
}

// New makes a buffer of which the first memory bytes stay in memory; 0 means
// that all go to a file. expect, if positive, is how long it will become. wrote
// is called on the owner for each Append that did not end at once.
func (s *Store) New(client Client, memory int, expect int64, wrote func(n int, err error)) *Buffer {
	b := &Buffer{store: s, client: client, owner: client.Home(), memory: memory, wrote: wrote}
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
	b.hold(len(p))
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

// hold counts memory for the client.
func (b *Buffer) hold(n int) {
	if n != 0 {
		b.client.Reserve(n)
	}
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
	b.hold(-len(b.mem) - b.flying)
	b.mem, b.flying = nil, 0
	if b.file != nil && !b.writing {
		b.file.Close()
		b.file = nil
	}
}
