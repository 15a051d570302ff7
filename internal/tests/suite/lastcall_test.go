//go:build linux

package suite

import (
	"bufio"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOpenStreamAtTheEnd: a stream that goes on and on does not keep an application from
// ending in order, when the server stops, also by Ctrl-C, and when it reloads.
func TestOpenStreamAtTheEnd(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"stop": syscall.SIGTERM, "interrupt": syscall.SIGINT, "reload": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("stream_app:app", "asgi", "--graceful-timeout", "2s")...)
			c := s.over(t, "http")
			response, err := c.http.Do(c.request("GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if line, err := bufio.NewReader(response.Body).ReadString('\n'); line != "data: first\n" {
				t.Fatalf("%q, %v", line, err)
			}
			s.signal(sig)
			s.awaitLog(`stream: http\.disconnect`)
			s.awaitLog(`lifespan: shutdown`)
			s.awaitLog(`worker finished worker_number=1 .*exited with status 0`)
		})
	}
}

// TestStreamThatIgnoresTheEnd: one that does not heed that its client was sent away is cancelled,
// and one that resists that too does not keep its application from ending in order.
func TestStreamThatIgnoresTheEnd(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/ignores", "/resists"} {
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			s := start(t, app("stream_app:app", "asgi", "--graceful-timeout", "4s")...)
			response, err := s.over(t, "http").http.Do(s.over(t, "http").request("GET", path, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if line, err := bufio.NewReader(response.Body).ReadString('\n'); line != "data: first\n" {
				t.Fatalf("%q, %v", line, err)
			}
			s.signal(syscall.SIGTERM)
			s.awaitLog(`stream: CancelledError the worker has to end`)
			s.awaitLog(`lifespan: shutdown`)
			if path == "/ignores" { // the other one holds up the end of the loop
				s.awaitLog(`worker finished worker_number=1 .*exited with status 0`)
			}
			equal(t, "exit status", s.wait(), 0)
		})
	}
}

// TestStopWhileStarting: a start that waits for something that does not come, here the
// other end of a pipe in place of a certificate, can be given up.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s := launchServer(t, launch{args: []string{"--certfile", pipe, "--keyfile", pipe}})
	s.awaitLog("Starting asteri-loop")
	s.signal(syscall.SIGTERM)
	equal(t, "exit status", s.wait(), 0)
}
