//go:build linux

package suite

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestStructuredOutput: what an application prints as an object of JSON is one in the log,
// too, with its members in their place and nothing of it lost.
func TestStructuredOutput(t *testing.T) {
	t.Parallel()
	s := start(t, app("structured:app", "sync", "--log-format", "json")...)
	a := s.over(t, "http").get("/")
	a.want(t, 200)
	for _, last := range []string{"to stderr", `"event":"wsgi"`, "raw "} { // of each of the ways there are
		s.awaitLog(last)
	}
	records := make(map[string]map[string]any)
	for line := range strings.Lines(s.log.errText()) {
		var r map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if d.Decode(&r) == nil {
			if event, ok := r["event"].(string); ok {
				records[event] = r
				if event == "cart" {
					contains(t, line, `"n":[1,2.5,null]`, `"application.pid":"mine"`)
					equal(t, "messages of a line", strings.Count(line, `"message"`), 1)
				}
			}
			if message, _ := r["message"].(string); strings.HasPrefix(message, "{not") {
				records["plain"] = r
			}
		}
	}
	cart := records["cart"]
	equal(t, "message", cart["message"], any("café"))
	equal(t, "level", cart["level"], any("ERROR"))
	equal(t, "request", cart["request_id"], any(a.Header.Get("X-Request-ID")))
	equal(t, "source", cart["source"], any("stdout"))
	text, _ := records["long"]["text"].(string)
	equal(t, "length of a long text", len(text), 20000)
	equal(t, "level of one without", records["long"]["level"], any("INFO"))
	equal(t, "who wrote to wsgi.errors", records["wsgi"]["logger"], any("wsgi.errors"))
	equal(t, "what only looks like it", records["plain"]["message"], any("{not json}"))
	if out := s.log.outText(); strings.Contains(out, "cart") {
		t.Errorf("standard output has it too: %q", out)
	}
}

// TestOutputLeftAlone: with --capture-output off both streams are the server's own, byte
// for byte.
func TestOutputLeftAlone(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"sync", "gthread", "gevent", "asgi", "tornado", "gtornado"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("structured:app", model, "--capture-output", "off")...)
			s.over(t, "http").get("/").want(t, 200)
			want := `{"event": "cart", "level": "error", "n": [1, 2.5, null], "pid": "mine", "message": "café"}` + "\n" +
				`{"event": "long", "text": "` + strings.Repeat("x", 20000) + `"}` + "\n" +
				"{not json}\nno end\nraw \xff\x00\x1e bytes\n"
			s.eventually("all of it is there", func() bool { return strings.Contains(s.log.outText(), "bytes\n") })
			_, got, _ := strings.Cut(s.log.outText(), `{"event"`)
			equal(t, "standard output", `{"event"`+got, want)
			// Each stream by itself: in the log of both a line of one may be within one of the other.
			for _, want := range []string{"\nto stderr\n", `[ERROR] {"event": "wsgi"}`} {
				s.eventually(want, func() bool { return strings.Contains(s.log.errText(), want) })
			}
		})
	}
}
