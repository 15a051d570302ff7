package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStatusSettings(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--status-path", "status"}, "must be a path"},
		{[]string{"--status-path", "/"}, "must be a path"},
		{[]string{"--status-path", "/a/"}, "must be a path"},
		{[]string{"--status-path", "/a/../b"}, "must be a path"},
		{[]string{"--live-path", "/liv%65z"}, "must have letters"},
		{[]string{"--live-path", "/readyz"}, "are in each other's way"},
		{[]string{"--ready-path", "/asteri-status/ready"}, "are in each other's way"},
		{[]string{"--status-host", "example.com:80"}, "must be a name without a port"},
		{[]string{"--status-token", "tooshort"}, "must be at least 16 characters"},
		{[]string{"--status-token", "0123456789 abcdef"}, "must be at least 16 characters"},
		{[]string{"--admin-listen", "nowhere:port"}, "must be a number"},
	} {
		_, err := Load(Input{Args: tc.args, Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v", tc.args, err)
		}
		if err != nil && strings.Contains(err.Error(), "tooshort") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
	c, err := Load(Input{Args: []string{"--status-path", "/-/state", "--live-path", "/-/live", "--admin-listen", "9000", "--disable-dashboard"}, Dir: t.TempDir()})
	if err != nil || c.Server.Status.Path != "/-/state" || c.Server.Status.Listen[0] != ":9000" || !c.Server.Status.NoDashboard {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestRowsMaskSecrets(t *testing.T) {
	c, err := Load(Input{
		Args: []string{"--status-token", "not-for-your-eyes", "-e", "DATABASE=not-for-your-eyes",
			"--mount", "/m=hello:app,workers=2,env=A=not-for-your-eyes,raw-env=B=not-for-your-eyes"},
		Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]Row{}
	for _, r := range c.Rows() {
		rows[r.Name] = r
		if strings.Contains(r.Value, "not-for-your-eyes") {
			t.Errorf("%+v", r)
		}
	}
	if r := rows["env"]; r.Value != `["DATABASE=********"]` || r.Origin != "command line --env" {
		t.Errorf("%+v", r)
	}
	if r := rows["mount"]; r.Value != `["/m=hello:app,workers=2,env=A=********,raw-env=B=********"]` {
		t.Errorf("%+v", r)
	}
	if r := rows["workers"]; r.Value != "1" || r.Origin != "default" {
		t.Errorf("%+v", r)
	}
	if r := rows["status_token"]; r.Value != `"********"` {
		t.Errorf("%+v", r)
	}
}

// A mistake beside a secret must not put it into the log.
func TestErrorsOfMountsMaskSecrets(t *testing.T) {
	for _, in := range []Input{
		{Args: []string{"--mount", "/m=hello:app,env=A=SECRET,zzz=a"}},
		{Args: []string{"--mount", "/m=hello:app,env=A=SECRET,SECRET"}},
		{Args: []string{"--mount", "/m=hello:app,env==SECRET"}},
		{Environ: []string{"ASTERI_MOUNT=/m=hello:app,env=A=SECRET"}},
		{Args: []string{"-c", "commas.toml"}},
	} {
		in.Dir = t.TempDir()
		file := "[[mount]]\napp = \"hello:app\"\nenv = [\"A=SECRET,SECRET\"]\n"
		if err := os.WriteFile(filepath.Join(in.Dir, "commas.toml"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(in); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%+v: %v", in, err)
		}
	}
}
