//go:build linux

package suite

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// TestDemonstration: without an application the server shows itself, under each
// model, plain and over TLS.
func TestDemonstration(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"", "sync", "gthread", "gevent", "asgi", "tornado", "gtornado"} {
		t.Run("model "+model, func(t *testing.T) {
			t.Parallel()
			var args []string
			if model != "" {
				args = []string{"-w", model}
			}
			s := start(t, args...)
			before := descriptors(t, s.pid)
			for _, scheme := range []string{"http", "https"} {
				t.Run(scheme, func(t *testing.T) { checkDemonstration(t, s.in(t), s.over(t, scheme)) })
			}
			s.quietly(before)
		})
	}
}

func checkDemonstration(t *testing.T, s *server, c *client) {
	contains(t, c.get("/").want(t, 200), "<html", "/plaintext", "/events")
	a := c.get("/plaintext")
	equal(t, "plaintext", a.want(t, 200), "Hello, World!")
	contains(t, a.Header.Get("Content-Type"), "text/plain")
	equal(t, "json", decode[map[string]string](t, c.get("/json"))["message"], "Hello, World!")
	content := string(pattern(1 << 20))
	equal(t, "echo", digest([]byte(c.post("/echo", "application/octet-stream", content).want(t, 200))), digest([]byte(content)))
	chunked := c.do("POST", "/echo", struct{ io.Reader }{strings.NewReader(content)})
	equal(t, "echo of chunks", chunked.want(t, 200), content)
	equal(t, "bytes", len(c.get("/bytes/100000").want(t, 200)), 100_000)
	c.get("/sleep/10").want(t, 200)
	if c.get("/stream").want(t, 200) == "" {
		t.Error("/stream is empty")
	}
	equal(t, "no such page", c.get("/nothing").StatusCode, 404)
	equal(t, "HEAD", c.do("HEAD", "/plaintext", nil).want(t, 200), "")

	// Events come one by one, and the client may leave at any time.
	events, err := c.http.Do(c.request("GET", "/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	contains(t, events.Header.Get("Content-Type"), "text/event-stream")
	lines := bufio.NewScanner(events.Body)
	for seen := 0; seen < 2 && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data:") {
			seen++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestHealth: the loop answers for the server, whatever the application does,
// and only those who may look.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync:2")...)
	c := s.over(t, "http")
	for _, path := range []string{"/livez", "/readyz"} {
		c.get(path).want(t, 200)
	}
	// Both workers are taken: the answers do not wait for them.
	g := newGate(t)
	held := []*pending{s.hold(c, g), s.hold(c, g)}
	c.get("/livez").want(t, 200)
	c.get("/readyz").want(t, 200)
	status := decode[map[string]any](t, c.get("/asteri-status.json"))
	workers, _ := status["workers"].([]any)
	equal(t, "workers in the status", len(workers), 2)
	for _, w := range workers {
		fields, _ := w.(map[string]any)
		for _, key := range []string{"pid", "model", "state"} {
			if fields[key] == nil {
				t.Errorf("a worker without %q: %v", key, fields)
			}
		}
	}
	g.open()
	for _, p := range held {
		p.answer().want(t, 200)
	}
	// What looks like a proxy's request is not a local client's.
	for _, header := range []string{"X-Forwarded-For: 198.51.100.7", "Forwarded: for=198.51.100.7", "Via: 1.1 proxy"} {
		a, err := c.try(c.request("GET", "/asteri-status.json", nil, header))
		if err == nil && a.StatusCode == 200 {
			t.Errorf("%s got the status", header)
		}
	}
	if reply := s.exchange("GET /asteri-status.json HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"); strings.HasPrefix(reply, "HTTP/1.1 200") {
		t.Error("HTTP/1.0 got the status")
	}
}
