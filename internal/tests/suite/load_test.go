//go:build linux

package suite

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// plainBinary is the server as users build it, without the race detector, whose memory
// is its own.
var plainBinary = sync.OnceValues(func() (string, error) {
	if !raceEnabled || os.Getenv("ASTERI_SUITE_BINARY") != "" {
		return binary, nil
	}
	path := filepath.Join(scratch, "asteri-loop-plain")
	return path, run(repository, "go", "build", "-pgo=auto", "-o", path, "./cmd/asteri-loop")
})

// startPlain starts the server without the race detector.
func startPlain(t *testing.T, args ...string) *server {
	t.Helper()
	path, err := plainBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := launchServer(t, launch{binary: path, args: args})
	s.awaitReady()
	return s
}

// TestLargeBodies sends 64 MiB up and takes 64 MiB down, several at a time: the
// front passes them on without ever holding them.
func TestLargeBodies(t *testing.T) {
	const size, clients = 64 << 20, 3
	content := pattern(size)
	want := digest(content)
	for _, test := range []struct{ app, model, upload string }{
		{"faults:app", "sync", "/digest"},
		{"faults:app", "gthread", "/digest"},
		{"faults:app", "gtornado", "/digest"},
		{"fastapi_app:app", "asgi", "/digest"},
		{"tornado_app:app", "tornado", "/digest"},
	} {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			s := startPlain(t, app(test.app, test.model, "-t", "120")...)
			before, _ := resident(t, s.pid)
			var all sync.WaitGroup
			for range clients {
				all.Go(func() {
					c := s.over(t, "http")
					a, err := c.try(c.request("POST", test.upload, bytes.NewReader(content)))
					if err != nil {
						t.Error(err)
						return
					}
					contains(t, a.want(t, 200), want)
					if test.app != "faults:app" {
						return
					}
					down, err := c.http.Do(c.request("GET", "/large?n="+strconv.Itoa(size), nil))
					if err != nil {
						t.Error(err)
						return
					}
					defer down.Body.Close()
					var got counter
					if _, err := io.Copy(&got, down.Body); err != nil || got.n != size || got.wrong > 0 {
						t.Errorf("%d bytes, %d of them wrong: %v", got.n, got.wrong, err)
					}
				})
			}
			all.Wait()
			_, peak := resident(t, s.pid)
			t.Logf("memory of the front: %d KiB idle, %d KiB at most", before>>10, peak>>10)
			const bound = 64 << 20 // a third of what is under way at once
			if peak-before > bound {
				t.Errorf("the front grew by %d KiB", (peak-before)>>10)
			}
		})
	}
}

// TestIdleConnections keeps 10,000 connections open that have each had an
// answer: they hold no worker, a known amount of memory, and nothing afterwards.
func TestIdleConnections(t *testing.T) {
	wanted := 10_000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if room := int(limit.Cur) - 500; room < wanted {
		t.Logf("descriptors are limited to %d: only %d connections", limit.Cur, room)
		wanted = room
	}
	s := startPlain(t, app("wsgi_probe:app", "sync", "--keep-alive", "300")...)
	baseline := descriptors(t, s.pid)
	before, _ := resident(t, s.pid)

	connections := make([]net.Conn, 0, wanted)
	reply := make([]byte, 4096)
	for range wanted {
		c, err := net.DialTimeout("tcp", s.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		connections = append(connections, c)
		if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(reply); err != nil || !bytes.HasPrefix(reply[:n], []byte("HTTP/1.1 200")) {
			t.Fatalf("connection %d: %q, %v", len(connections), reply[:n], err)
		}
	}
	after, _ := resident(t, s.pid)
	t.Logf("%d idle connections take %d bytes each", wanted, (after-before)/int64(wanted))
	if open := descriptors(t, s.pid); open < wanted {
		t.Errorf("only %d descriptors for %d connections", open, wanted)
	}
	c := s.over(t, "http")
	for range 20 {
		c.get("/pid").want(t, 200)
	}
	c.http.CloseIdleConnections()
	// The oldest and the newest still work.
	for _, c := range []net.Conn{connections[0], connections[wanted-1]} {
		if _, err := io.WriteString(c, "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(reply); err != nil || !bytes.HasPrefix(reply[:n], []byte("HTTP/1.1 200")) {
			t.Fatalf("%q, %v", reply[:n], err)
		}
	}
	for _, c := range connections {
		c.Close()
	}
	s.quietly(baseline)
}

// TestSleepUnderLoad: blocking Go handlers are woken in time while the loops are
// saturated. The figure is logged; the bound only catches starvation, in which
// each wake-up takes a time slice of the runtime or more.
func TestSleepUnderLoad(t *testing.T) {
	s := startPlain(t)
	stop := make(chan struct{})
	var load sync.WaitGroup
	batch := bytes.Repeat([]byte("GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"), 16)
	for range 8 {
		load.Go(func() {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			buffer := make([]byte, 64<<10)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.Write(batch); err != nil {
					t.Error(err)
					return
				}
				for got := 0; got < 16; {
					n, err := c.Read(buffer)
					if err != nil {
						t.Error(err)
						return
					}
					got += bytes.Count(buffer[:n], []byte("HTTP/1.1 200"))
				}
			}
		})
	}
	c := s.over(t, "http")
	var times []time.Duration
	for range 300 {
		began := time.Now()
		c.get("/sleep/1").want(t, 200)
		times = append(times, time.Since(began))
	}
	close(stop)
	load.Wait()
	slices.Sort(times)
	p50, p99 := times[len(times)/2], times[len(times)*99/100]
	t.Logf("/sleep/1 under load: p50 %v, p99 %v", p50, p99)
	if p99 > 250*time.Millisecond {
		t.Errorf("p99 of /sleep/1 is %v while the loops are busy", p99)
	}
}
