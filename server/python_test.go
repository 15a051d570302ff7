package server_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/workers/python"
)

const application1 = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("python " + environ["SCRIPT_NAME"] + environ["PATH_INFO"] + " " + environ["SERVER_SOFTWARE"]).encode()]
`

// A pool of workers beside a handler in Go, with what both have in common.
func TestPythonBesideGo(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "shop.py"), application1)
	pool := &python.Config{App: "shop:app", Chdir: dir}
	cfg := server.Config{
		Name: "mine", Version: "1", App: server.App{Handler: text("go")},
		Mounts: []server.Mount{{Path: "/py", App: server.App{Python: pool}}},
	}
	srv := start(t, cfg)
	c := client(t, "h1")
	if got := get(t, c, url(srv, "http", "/py/x")); got.text != "python /py/x mine/1" {
		t.Errorf("%q", got.text)
	}
	if got := get(t, c, url(srv, "http", "/x")); got.text != "go" {
		t.Errorf("%q", got.text)
	}
	about := srv.Applications()
	if len(about) != 2 || about[1].At != "/py" || about[1].Interface != "wsgi" || about[1].Workers != 1 {
		t.Errorf("%+v", about)
	}
	if got := get(t, c, url(srv, "http", "/asteri-status.json")); !strings.Contains(got.text, `"at":"/py"`) {
		t.Errorf("%s", got.text)
	}
	writeFile(t, filepath.Join(dir, "shop.py"), strings.ReplaceAll(application1, "python", "new"))
	if err := srv.Reload(bounded(t), cfg); err != nil {
		t.Fatal(err)
	}
	if got := get(t, c, url(srv, "http", "/py/x")); got.text != "new /py/x mine/1" {
		t.Errorf("%q", got.text)
	}
	if err := srv.Drain(bounded(t)); err != nil {
		t.Error(err)
	}
}

// An application that cannot start says why: in the error of Ready, and before by Check.
func TestBrokenApplication(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "broken.py"), "import nothing_of_that_name\n")
	srv, err := server.New(server.Config{
		Mounts: []server.Mount{{Path: "/broken", App: server.App{Python: &python.Config{App: "broken:app", Chdir: dir}}}},
		Listen: server.Listen{Addresses: []string{"127.0.0.1:0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	says := func(err error) {
		t.Helper()
		var boot *python.BootError
		if !errors.As(err, &boot) || !strings.Contains(boot.Traceback, "nothing_of_that_name") ||
			!strings.HasPrefix(err.Error(), "/broken: ") || !strings.Contains(err.Error(), "nothing_of_that_name") {
			t.Errorf("%v", err)
		}
	}
	says(srv.Check(bounded(t)))
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if got := get(t, client(t, "h1"), url(srv, "http", "/readyz")); got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.text, "starting") {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
	says(srv.Ready(bounded(t)))
}
