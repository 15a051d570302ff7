//go:build linux

package suite

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryPython serves under all models with each Python from 3.9 on that there is
// (scripts/pythons.sh knows which), with the libraries that the shim's tests use.
func TestEveryPython(t *testing.T) {
	t.Parallel()
	if os.Getenv("ASTERI_SUITE_PYTHON") != "" {
		t.Skip("another Python was asked for")
	}
	command := exec.Command(filepath.Join(repository, "scripts", "pythons.sh"))
	found, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, python := range strings.Fields(string(found)) {
		out, err := exec.Command(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
		if err != nil {
			t.Fatal(err)
		}
		version := strings.TrimSpace(string(out))
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			// The environment of scripts/test-shim.sh.
			venv := filepath.Join(repository, ".venv", "shim-"+version)
			if err := run(repository, "scripts/venv.sh", venv, "scripts/shim-requirements.txt", python); err != nil {
				t.Fatal(err)
			}
			for _, model := range wsgiModels {
				t.Run(model, func(t *testing.T) { servesUnder(t, model, version, venv) })
			}
		})
	}
}

// servesUnder serves what a model is made for.
func servesUnder(t *testing.T, model, version, venv string) {
	with := func(name string) *server {
		s := start(t, "--python", venv, "--chdir", appsDir, "-w", model, name)
		s.awaitLog(`worker ready.*\b` + regexp.QuoteMeta(version) + `\.`)
		return s
	}
	s := with("wsgi_probe:app")
	c := s.over(t, "http")
	equal(t, "write", c.get("/write").want(t, 200), "one,two,three")
	equal(t, "generator", c.get("/generator?n=3").want(t, 200), "piece 0\npiece 1\npiece 2\n")
	equal(t, "upload", c.post("/unread", "text/plain", strings.Repeat("x", 300_000)).want(t, 200), "did not look")
	s.stop()
	switch model {
	case "asgi":
		s = with("asgi_probe:app")
		contains(t, s.over(t, "http").get("/loop").want(t, 200), "uvloop")
		contains(t, s.over(t, "http").get("/scope").want(t, 200), `"spec_version": "2.3"`)
	case "tornado", "gtornado":
		s = with("tornado_app:make_app()")
		equal(t, "async def", s.over(t, "http").get("/native").want(t, 200), "awaited")
		equal(t, "gen.coroutine", s.over(t, "http").get("/decorated").want(t, 200), "yielded")
	default:
		return
	}
	s.stop()
}
