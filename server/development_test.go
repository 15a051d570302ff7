package server_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/workers/python"
)

// An embedding program has it by its settings: Ready does not fail for code that does not import,
// and a file that is repaired is all that is needed.
func TestDevelopment(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "shop.py")
	writeFile(t, file, "def app(\n")
	srv := start(t, server.Config{
		App: server.App{Handler: text("go")}, Mounts: []server.Mount{{Path: "/py", App: server.App{Python: &python.Config{App: "shop:app", Chdir: dir}}}},
		Development: server.Development{Reload: true},
	})
	c := client(t, "h1")
	at := url(srv, "http", "/py/")
	broken := get(t, c, at, "Accept", "text/html")
	if broken.StatusCode != http.StatusInternalServerError || !strings.Contains(broken.text, "SyntaxError") {
		t.Errorf("%d %s", broken.StatusCode, broken.text)
	}
	if got := get(t, c, url(srv, "http", "/")); got.text != "go" {
		t.Errorf("the other application: %q", got.text)
	}
	writeFile(t, file, application1)
	await(t, "the repaired code answers", func() bool { return get(t, c, at).StatusCode == http.StatusOK })
	if about := srv.Applications(); about[1].Interface != "wsgi" {
		t.Errorf("%+v", about)
	}
	if err := srv.Drain(bounded(t)); err != nil {
		t.Error(err)
	}
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func TestMistakesOfDevelopment(t *testing.T) {
	for field, d := range map[string]server.Development{
		"Development.Dirs":    {Reload: true, Dirs: []string{"/none"}},
		"Development.Files":   {Reload: true, Files: []string{"/none/file"}},
		"Development.Include": {Reload: true, Include: []string{"[a"}},
		"Development.Exclude": {Reload: true, Exclude: []string{"[a"}},
	} {
		_, err := server.New(server.Config{Development: d})
		if wrong := (*server.ConfigError)(nil); !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
