package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/status"
)

// ask sends a request head on a connection of its own.
func ask(t *testing.T, p *process, head string) net.Conn {
	t.Helper()
	conn := dial(t, p)
	if _, err := io.WriteString(conn, head+"\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// closed tells whether the server has closed the connection, or does before time is
// over, rather than leaving it open in silence.
func closed(conn net.Conn) bool {
	_, err := io.Copy(io.Discard, conn)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func worker(t *testing.T, p *process) (w status.Worker, waiting int) {
	t.Helper()
	r := report(t, p)
	return r.Workers[0], r.Queue.Waiting
}

func TestLimitRequestHead(t *testing.T) {
	field := "\r\nX-A: " + strings.Repeat("a", 600)
	p := start(t, t.TempDir(), "--limit-request-head", "1KiB", "--keep-alive", "10ms")
	for n, want := range map[int]string{1: "HTTP/1.1 200 ", 2: "HTTP/1.1 431 "} {
		if got := rest(t, ask(t, p, "GET /plaintext HTTP/1.1"+strings.Repeat(field, n))); !strings.HasPrefix(got, want) {
			t.Errorf("%d fields: %q", n, got)
		}
	}
}

func TestMinBodyRate(t *testing.T) {
	// This is never a pause of the body timeout, nor too slow by default.
	p := start(t, t.TempDir(), "-w", "sync", "--body-timeout", "1s", "--min-body-rate", "1MiB")
	conn := dial(t, p)
	_, _ = io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				_, _ = io.WriteString(conn, "0123456789")
			}
		}
	}()
	head := make([]byte, len("HTTP/1.1 408"))
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 408" {
		t.Errorf("%q, %v", head, err)
	}
}

func TestMaxHandshakes(t *testing.T) {
	p := start(t, t.TempDir(), "--max-handshakes", "4", "--handshake-timeout", "1h", "--loops", "1")
	for n := 0; ; n++ {
		conn := dial(t, p)
		_, _ = conn.Write([]byte{22, 3, 1, 2, 0, 1}) // the beginning of a ClientHello
		if n == 4 {
			if !closed(conn) {
				t.Error("a fifth handshake is waited for")
			}
			return
		}
	}
}

func TestWriteTimeout(t *testing.T) {
	p := start(t, t.TempDir(), "--write-timeout", "1s")
	conn := ask(t, p, "GET /bytes/1073741824 HTTP/1.1")
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// The client reads no more; the connection that asks is the other one.
	eventually(t, "the client is disconnected", func() bool { return report(t, p).Connections == 1 })
}

// Clients that do not read are given up when memory is short; nobody else waits.
func TestBufferBudget(t *testing.T) {
	p := start(t, t.TempDir(), "-w", "asgi", "--buffer-budget", "1MiB", "--loops", "1")
	quick := client()
	for range 16 { // each fills its queue, up to the high-water mark
		ask(t, p, "GET /bytes/1073741824 HTTP/1.1")
		for _, path := range []string{"/plaintext", "/livez"} {
			if got := get(t, quick, p.url("http")+path); got.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", path, got.StatusCode)
			}
		}
	}
	eventually(t, "some are given up", func() bool { return report(t, p).Connections < 10 })
	if doc := report(t, p); doc.BufferBytes > 1<<20 {
		t.Errorf("%d bytes are held", doc.BufferBytes)
	}
}

func TestWorkerConnections(t *testing.T) {
	p := start(t, t.TempDir(), "-w", "gevent", "--worker-connections", "2", "--queue-size", "1")
	for n := range 3 {
		ask(t, p, "GET /sleep/60000 HTTP/1.1")
		eventually(t, fmt.Sprintf("request %d is there", n), func() bool {
			w, waiting := worker(t, p)
			return w.InFlight == min(n+1, 2) && waiting == n/2
		})
	}
	if got := get(t, client(), p.url("http")+"/plaintext"); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d", got.StatusCode)
	}
}

func TestResponseSpoolMax(t *testing.T) {
	begin := func(limit string) (p *process, slow net.Conn, quick chan int) {
		p = start(t, t.TempDir(), "-w", "sync", "--response-spool-max", limit)
		slow = ask(t, p, "GET /bytes/134217728 HTTP/1.1") // more than the system's buffers hold
		if _, err := io.ReadFull(slow, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		quick = make(chan int, 1)
		go func() {
			resp, err := client().Get(p.url("http") + "/plaintext")
			if err != nil {
				quick <- 0
				return
			}
			resp.Body.Close()
			quick <- resp.StatusCode
		}()
		return p, slow, quick
	}
	_, _, quick := begin("1GiB")
	if got := <-quick; got != 200 {
		t.Errorf("a slow reader holds the worker: %d", got)
	}
	for _, limit := range []string{"1MiB", "0"} {
		p, slow, quick := begin(limit)
		eventually(t, "the quick request waits", func() bool { _, waiting := worker(t, p); return waiting == 1 })
		slow.Close()
		if got := <-quick; got != 200 {
			t.Errorf("%s: %d", limit, got)
		}
	}
}

// The system lets in one connection more than the backlog says, and refuses others
// at once, while nobody accepts.
func TestBacklog(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	p := launch(t, t.TempDir(), nil, "-b", "unix:"+socket, "--backlog", "3", "--loops", "1")
	p.await("Running ")
	p.signal(syscall.SIGSTOP)
	var state unix.WaitStatus
	for !state.Stopped() {
		if _, err := unix.Wait4(p.cmd.Process.Pid, &state, unix.WUNTRACED, nil); err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
	defer p.signal(syscall.SIGCONT)
	n := 0
	for ; n < 10; n++ {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		if unix.Connect(fd, &unix.SockaddrUnix{Name: socket}) != nil {
			break
		}
	}
	if n < 3 || n > 5 { // systems differ in what they make of it
		t.Errorf("%d connections were let in", n)
	}
}
