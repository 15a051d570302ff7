package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMounts(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string // At and Target
	}{
		{[]string{"--mount", "/api=shop.asgi:app"}, []string{"/api", "shop.asgi:app"}},
		{[]string{"--mount", "/api/=a:b", "--mount", "API.Example.com/=c:d"}, []string{"/api", "a:b", "api.example.com/", "c:d"}},
		{[]string{"--mount", "*.example.com/x=a:b"}, []string{"*.example.com/x", "a:b"}},
		{[]string{"--mount", "example.com/=a:b"}, []string{"example.com/", "a:b"}},
		{[]string{"--mount", "/x=http://127.0.0.1:9000"}, []string{"/x", "http://127.0.0.1:9000"}},
		{[]string{"--mount", "/x=unix:/run/app.sock"}, []string{"/x", "unix:/run/app.sock"}},
		{[]string{"--mount", "[::1]/x=a:make()"}, []string{"[::1]/x", "a:make()"}},
		{[]string{"--dirty-apps", "example.com=h:app,/api=p:app,default=d:app"},
			[]string{"example.com/", "h:app", "/api", "p:app", "/", "d:app"}},
	} {
		cfg, err := Load(Input{Args: c.args, Dir: t.TempDir()})
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		var got []string
		for _, m := range cfg.Mounts {
			got = append(got, m.At(), m.Target)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q", c.args, got)
		}
	}
}

func TestMountedSettings(t *testing.T) {
	dir := t.TempDir()
	file := `
app = "main:app"
workers = 3
worker_class = "gthread"
env = ["A=1"]

[[mount]]
path = "/api"
app = "shop.asgi:app"
worker_class = "asgi"
workers = 2
env = { B = "2" }

[[mount]]
host = "Admin.example.com"
app = "admin.wsgi"
workers = "gtornado:4"

[[mount]]
path = "/old"
url = "http://127.0.0.1:9000"
timeout = "5s"
`
	if err := os.WriteFile(filepath.Join(dir, "asteri.toml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(Input{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Mounts) != 3 || !cfg.Mounts[2].IsURL() || cfg.Mounts[1].At() != "admin.example.com/" {
		t.Fatalf("mounts are %+v", cfg.Mounts)
	}
	api, err := cfg.Mounted(cfg.Mounts[0])
	if err != nil {
		t.Fatal(err)
	}
	if api.App != "shop.asgi:app" || api.Python.Model != "asgi" || api.Python.Workers != 2 || api.Python.RootPath != "/api" || strings.Join(api.Python.Env, " ") != "A=1 B=2" {
		t.Errorf("/api: %+v", api)
	}
	admin, err := cfg.Mounted(cfg.Mounts[1])
	if err != nil {
		t.Fatal(err)
	}
	if admin.Python.Model != "gtornado" || admin.Python.Workers != 4 || admin.Python.RootPath != "" || strings.Join(admin.Python.Env, " ") != "A=1" {
		t.Errorf("admin: %+v", admin)
	}
	if cfg.Python.Workers != 3 || cfg.Python.Model != "gthread" || len(cfg.Python.Env) != 1 {
		t.Errorf("the server's own settings have changed: %+v", cfg)
	}
	dirty, err := Load(Input{Args: []string{"--dirty-apps", "/api=p:app"}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := dirty.Mounted(dirty.Mounts[0]); err != nil || c.Python.RootPath != "" || c.Python.Model != "" {
		t.Errorf("in Asteri's spelling: %+v, %v", c, err)
	}
}

func TestMistakesInMounts(t *testing.T) {
	for spec, want := range map[string]string{
		"/api":                         "must be a path and an application",
		"/api=":                        "must be a path and an application",
		"=x:y":                         "must be a path and an application",
		"api=x:y":                      "/api=... for a path, api/=... for a host",
		"/a/../b=x:y":                  "plain",
		"/a%20b=x:y":                   "plain",
		"exa mple/=x:y":                "not a host",
		"example.com:80/=x:y":          "without its port",
		"/a=x:y,workers":               "a setting and its value",
		"/a=x:y,worker=2":              "did you mean",
		"/a=x:y,bind=:80":              "no setting of a mount",
		"/a=x:y,workers=many":          "workers",
		"/a=http://h:1,workers=2":      "no setting of a mount",
		"/a=http://":                   "must name a server",
		"/a=http://u:p@h/":             "perhaps with a path",
		"/a=unix:":                     "must name a socket",
		"/a=ftp://h/":                  "http://, https:// and unix: only",
		"/=x:y":                        "at / already",
		"/b=x:y,worker-class=unheard!": "must be one of",
	} {
		_, err := Load(Input{Args: []string{"--mount", spec, "main:app"}, Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want something with %q", spec, err, want)
		}
	}
	if _, err := Load(Input{Args: []string{"--mount", "/a=x:y", "--mount", "/a/=z:y"}, Dir: t.TempDir()}); err == nil {
		t.Error("two mounts at one place pass")
	}
	if _, err := Load(Input{Args: []string{"--dirty-apps", "tasks:Worker:2"}, Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "gunicorn") {
		t.Errorf("gunicorn's dirty apps: %v", err)
	}
}

// TestMountTables: what is nearly [[mount]] is taken for it, or named.
func TestMountTables(t *testing.T) {
	for file, want := range map[string]string{
		"[mount]\npath = \"/api\"\napp = \"shop:app\"\nworkers = 2":        `["/api=shop:app,workers=2"]`,
		"[[mount]]\npath = \"/api\"\napp = \"shop:app\"":                   `["/api=shop:app"]`,
		"[mount]\n\"/api\" = \"shop:app\"\n\"b.example/\" = \"b:app\"":     `["/api=shop:app", "b.example/=b:app"]`,
		"[[mount]]\nhost = \"b.example\"\npath = \"api\"\napp = \"b:app\"": `path: "api": begins with a slash: "/api"`,
		"[mount]\npath = \"/api\"":                                         "needs app",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "asteri.toml"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(Input{Dir: dir})
		got := fmt.Sprint(err)
		if err == nil {
			got = find("mount").shown(cfg)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s\ngives %s, want %s", file, got, want)
		}
	}
}
