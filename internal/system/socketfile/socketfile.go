// Package socketfile makes Unix sockets at paths. Who may connect is settled before
// anybody can, a file that a dead server has left is replaced, and one that somebody
// listens on is not.
package socketfile

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is the file of a socket that this process has made.
type File struct {
	path string
	made os.FileInfo // nil if it could not be looked at: then it stays
}

// Listen returns a non-blocking close-on-exec descriptor that listens at path, with the
// permissions mode, and its file. The error is unix.EADDRINUSE, wrapped, if somebody
// listens there.
func Listen(path string, backlog int, mode os.FileMode) (int, *File, error) {
	if err := check(path); err != nil {
		return -1, nil, err
	}
	if err := removeStale(path); err != nil {
		return -1, nil, err
	}
	fd, err := Stream(unix.AF_UNIX)
	if err != nil {
		return -1, nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(fd)
		return -1, nil, os.NewSyscallError("bind", err)
	}
	// Nobody can connect before it listens.
	err = os.Chmod(path, mode)
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, backlog))
	}
	if err != nil {
		_ = unix.Close(fd)
		_ = os.Remove(path)
		return -1, nil, err
	}
	f := &File{path: path}
	f.made, _ = os.Lstat(path)
	return fd, f, nil
}

// Adopt makes the file of a socket that another process has made this one's, which is to
// remove it.
func Adopt(path string) *File {
	f := &File{path: path}
	f.made, _ = os.Lstat(path)
	return f
}

// Remove removes the file, unless somebody has put another one in its place. A nil File
// has nothing to remove.
func (f *File) Remove() {
	if f == nil || f.made == nil {
		return
	}
	if now, err := os.Lstat(f.path); err == nil && os.SameFile(f.made, now) {
		_ = os.Remove(f.path)
	}
}

// Stream returns a non-blocking close-on-exec stream socket of a family.
func Stream(family int) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// check says what bind would only call invalid.
func check(path string) error {
	// The last byte is for the NUL that ends the path.
	if most := len(unix.RawSockaddrUnix{}.Path) - 1; len(path) > most {
		return fmt.Errorf("the path has %d bytes: this system allows a socket's path %d", len(path), most)
	}
	if strings.HasPrefix(path, "@") {
		return errors.New("an abstract socket has no permissions, so that every process may connect: give a path")
	}
	return nil
}

func removeStale(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return nil // nothing there; anything else shows when binding
	}
	if st.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	fd, err := Stream(unix.AF_UNIX)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED:
		return os.Remove(path)
	case nil, unix.EAGAIN, unix.EINPROGRESS:
		return os.NewSyscallError("bind", unix.EADDRINUSE)
	default:
		return os.NewSyscallError("connect", err)
	}
}
