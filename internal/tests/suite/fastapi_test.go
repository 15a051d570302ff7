//go:build linux

package suite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFastAPI(t *testing.T) {
	t.Parallel()
	matrix(t, "fastapi_app:app", []string{"asgi"}, nil, map[string]func(*testing.T, *server, *client){
		"page": func(t *testing.T, s *server, c *client) {
			equal(t, "body", c.get("/").want(t, 200), `{"hello":"FastAPI"}`)
			contains(t, c.get("/openapi.json").want(t, 200), "/upload", "/items")
		},
		"lifespan state": func(t *testing.T, s *server, c *client) {
			equal(t, "state", decode[map[string]string](t, c.get("/state"))["greeting"], "from the lifespan")
		},
		"threads": func(t *testing.T, s *server, c *client) { contains(t, c.get("/threads").want(t, 200), "in a thread") },
		"dependency": func(t *testing.T, s *server, c *client) {
			item := `{"name":"tea","price":2.5}`
			denied := c.post("/items", "application/json", item)
			denied.want(t, 401)
			equal(t, "challenge", denied.Header.Get("WWW-Authenticate"), "Bearer")
			a := c.do("POST", "/items", strings.NewReader(item), "Content-Type: application/json", "Authorization: Bearer sesame")
			equal(t, "body", a.want(t, 200), `{"item":{"name":"tea","price":2.5},"owner":"ali"}`)
			wrong := c.do("POST", "/items", strings.NewReader("{}"), "Content-Type: application/json", "Authorization: Bearer sesame")
			contains(t, wrong.want(t, 422), "Field required")
		},
		"upload": checkUpload,
		"chunked upload": func(t *testing.T, s *server, c *client) {
			content := pattern(1_000_000)
			a := c.do("POST", "/digest", struct{ *strings.Reader }{strings.NewReader(string(content))})
			contains(t, a.want(t, 200), digest(content))
		},
		"events": func(t *testing.T, s *server, c *client) {
			a := c.get("/events?n=50")
			equal(t, "type", a.Header.Get("Content-Type"), "text/event-stream; charset=utf-8")
			equal(t, "events", strings.Count(a.want(t, 200), "event: tick"), 50)
			contains(t, a.body, "id: 49\nevent: tick\ndata: 2401\n\n")
		},
		"background task": func(t *testing.T, s *server, c *client) {
			equal(t, "accepted", c.do("POST", "/notify", nil).StatusCode, 202)
			equal(t, "done", c.get("/notified").want(t, 200), `{"notified":true}`)
		},
		"error": func(t *testing.T, s *server, c *client) { checkError(t, s, c.get("/error")) },
	})
}

// TestLifespan: start-up and shutdown are each run once in each worker, whether
// the server stops or reloads.
func TestLifespan(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	s := start(t, app("fastapi_app:app", "asgi:2", "-e", "LIFESPAN_JOURNAL="+journal)...)
	s.awaitLog(`worker ready worker_number=1`)
	s.awaitLog(`worker ready worker_number=2`)
	s.over(t, "http").get("/state").want(t, 200)
	s.stop()

	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]int{}
	for line := range strings.Lines(string(text)) {
		entries[strings.TrimSpace(line)]++
	}
	equal(t, "entries", len(entries), 4) // two words, two workers
	for entry, times := range entries {
		equal(t, entry, times, 1)
		_, pid, _ := strings.Cut(entry, " ")
		equal(t, "shutdown of "+pid, entries["shutdown "+pid], 1)
	}
}

func TestLifespanModes(t *testing.T) {
	t.Parallel()
	t.Run("auto does without", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("asgi_probe:without_lifespan", "asgi")...)
		equal(t, "body", s.over(t, "http").get("/").want(t, 200), "no lifespan here")
	})
	t.Run("off does not ask", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("asgi_probe:failing_startup", "asgi", "--asgi-lifespan", "off")...)
		equal(t, "body", s.over(t, "http").get("/").want(t, 200), "must never be reached")
	})
	t.Run("on insists", func(t *testing.T) {
		t.Parallel()
		_, log, code := execute(t, app("asgi_probe:without_lifespan", "asgi", "--asgi-lifespan", "on")...)
		if code <= 0 {
			t.Errorf("exit status %d", code)
		}
		contains(t, log, "lifespan")
	})
	t.Run("failed startup ends the start", func(t *testing.T) {
		t.Parallel()
		_, log, code := execute(t, app("asgi_probe:failing_startup", "asgi")...)
		if code <= 0 {
			t.Errorf("exit status %d", code)
		}
		contains(t, log, "the database is away")
	})
}
