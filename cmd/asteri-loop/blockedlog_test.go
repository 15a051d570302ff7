package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// startBlocked starts a server whose access log is a pipe that takes nothing more. A
// line waits for it already.
func startBlocked(t *testing.T) (p *process, pipe *os.File) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	pipe = os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { pipe.Close() })
	for err == nil {
		_, err = unix.Write(fd, []byte{0}) // to the last byte
	}
	p = start(t, dir, "--access-logfile", path)
	conn := dial(t, p)
	answers := bufio.NewReader(conn)
	for range 2 { // when the second is answered, the first is logged
		if _, err := io.WriteString(conn, "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	return p, pipe
}

func TestBlockedLogHoldsUpNoSignal(t *testing.T) {
	p, _ := startBlocked(t)
	p.signal(syscall.SIGUSR1)
	p.signal(syscall.SIGHUP)
	p.await("[WARNING] A log takes nothing now")
	p.await("[INFO] Reloaded")
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK || strings.Contains(p.log.String(), "The logs are open again") {
		t.Errorf("status %d", s)
	}
}

// What is asked for while an output is blocked is done once it is not.
func TestBlockedLogIsRotatedLater(t *testing.T) {
	p, pipe := startBlocked(t)
	p.signal(syscall.SIGUSR1)
	if err := os.Rename(pipe.Name(), pipe.Name()+".1"); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR1)
	go func() { _, _ = io.Copy(io.Discard, pipe) }() // until the test closes it
	p.await("[INFO] The logs are open again")
	eventually(t, "a new file", func() bool {
		info, err := os.Stat(pipe.Name())
		return err == nil && info.Mode().IsRegular()
	})
}
