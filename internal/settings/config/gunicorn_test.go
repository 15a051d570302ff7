package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/settings/gunicorn"
	"github.com/asteri/asteri-loop/internal/settings/peers"
)

// project makes a folder with files in it, given as name, text, name, text.
func project(t *testing.T, files ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func loadIn(t *testing.T, dir, environ, args string) *Config {
	t.Helper()
	c, err := Load(Input{Dir: dir, Environ: strings.Fields(environ), Args: strings.Fields(args)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Conf.Close)
	return c
}

func explained(t *testing.T, c *Config, all bool) string {
	t.Helper()
	var b strings.Builder
	if err := c.Explain(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// holds tells whether text has a line with all these words in their order.
func holds(text, words string) bool {
	return slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.Contains(strings.Join(strings.Fields(line), " "), words)
	})
}

const someConf = `
import multiprocessing
cores = multiprocessing.cpu_count()
workers = 3
if cores:
    timeout = 40
bind = ["127.0.0.1:7001", "unix:/tmp/x"]
keepalive = 5
accesslog = None
umask = 0o007
raw_env = ["SECRET=hush"]
preload_app = True
reload_engine = "poll"
worker_tmp_dir = "/dev/shm"
def post_fork(server, worker):
    pass
def when_ready(server):
    pass
`

// TestPrecedenceOfGunicorn: variables that others have given a meaning, the file, GUNICORN_CMD_ARGS, ASTERI_ variables, the command line.
func TestPrecedenceOfGunicorn(t *testing.T) {
	dir := project(t, gunicornFile, someConf)
	for _, tc := range []struct {
		environ, args string
		workers       int
		from          string
	}{
		{"WEB_CONCURRENCY=2", "", 3, "gunicorn.conf.py:4"},
		{"WEB_CONCURRENCY=2 GUNICORN_CMD_ARGS=--workers=4", "", 4, "environment GUNICORN_CMD_ARGS --workers"},
		{"GUNICORN_CMD_ARGS=--workers=4 ASTERI_WORKERS=5", "", 5, "environment ASTERI_WORKERS"},
		{"ASTERI_WORKERS=5", "-w 6", 6, "command line --workers"},
		{"GUNICORN_CMD_ARGS=-w4", "gunicorn -w 7 app", 7, "command line -w"},
	} {
		c := loadIn(t, dir, tc.environ, tc.args)
		if c.Python.Workers != tc.workers || c.Origin("workers").place() != tc.from {
			t.Errorf("%s %s: %d from %s", tc.environ, tc.args, c.Python.Workers, c.Origin("workers").place())
		}
	}
	empty := t.TempDir()
	if c := loadIn(t, empty, "GUNICORN_CMD_ARGS=-w4 WEB_CONCURRENCY=2", "app"); c.Python.Workers != 4 || c.Conf != nil {
		t.Errorf("without a file: %d", c.Python.Workers)
	}
}

func TestExplain(t *testing.T) {
	dir := project(t, gunicornFile, someConf)
	text := explained(t, loadIn(t, dir, "PORT=80", "gunicorn -t 9 --spew app:app"), false)
	for _, want := range []string{
		"workers 3 gunicorn.conf.py:4", `timeout "9s" command line -t`, `bind ["127.0.0.1:7001", "unix:/tmp/x"] gunicorn.conf.py:7`,
		`keep_alive "5s" gunicorn.conf.py:8`, `access_logfile "none" gunicorn.conf.py:9`, `umask "007" gunicorn.conf.py:10`, `env ["SECRET=********"]`,
		"post_fork runs in workers gunicorn.conf.py:15", "when_ready runs in the helper interpreter gunicorn.conf.py:17",
		"preload_app does nothing here: each worker", "reload_engine does nothing here", "spew does nothing here", `app "app:app" command line APP`,
	} {
		if !holds(text, want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "hush") || strings.Contains(text, "backlog") {
		t.Errorf("a secret, or a default:\n%s", text)
	}
	if all := explained(t, loadIn(t, dir, "", ""), true); !holds(all, "backlog 2048 default") {
		t.Errorf("no defaults:\n%s", all)
	}
	toml := project(t, ownFile, "# settings\nworkers = 2\n[env]\nA = 'b'\n")
	if text := explained(t, loadIn(t, toml, "", ""), false); !holds(text, "workers 2 asteri.toml:2") || !holds(text, "asteri.toml:3") {
		t.Errorf("lines of TOML:\n%s", text)
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct{ conf, want string }{
		{"preload_app = True", "gunicorn.conf.py: preload_app: does nothing here; leave it out: each worker imports the application itself"},
		{"preload_app = False\nworker_tmp_dir = '/dev/shm'\nreload_engine = 'auto'\nspew = False\ndirty_apps = []", ""},
		{"limit_request_field = 3", `gunicorn.conf.py:1: limit_request_field is no setting of gunicorn's; did you mean "limit_request_fields"?`},
		{"def post_frok(server, worker): pass", `gunicorn.conf.py:1: post_frok is no setting of gunicorn's; did you mean "post_fork"?`},
		{"import os\nfrom os import path as worker\ncores = 4\nmax_workers = 3\n_tmeout = 2\nclass Timeouts: pass", ""},
		{"class Own: pass\nlogger_class = Own", "gunicorn.conf.py: logger_class: does nothing here; the log is the server's"},
		{"worker_class = 'shop.Own'", "gunicorn.conf.py: worker_class: does nothing here; shop.Own: workers are this server's own"},
	} {
		c := loadIn(t, project(t, gunicornFile, tc.conf), "", "")
		if got := strings.Join(c.Warnings, "\n"); tc.want == "" && got != "" || !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s:\n got %q\nwant %q", tc.conf, got, tc.want)
		}
	}
}

func TestConfFilesThatDoNotWork(t *testing.T) {
	for _, tc := range []struct{ conf, args, want string }{
		{"x = 1\n1/0", "", "gunicorn.conf.py\", line 2, in <module>\n    1/0\n"},
		{"1/0", "", "\ngunicorn.conf.py: ZeroDivisionError: division by zero"},
		{"import sys; sys.exit(7)", "", "gunicorn.conf.py: SystemExit: 7"},
		{"import os; os._exit(7)", "", "gunicorn.conf.py: its interpreter exited with status 7"},
		{"import os; os.kill(os.getpid(), 9)", "", "gunicorn.conf.py: its interpreter was killed by signal 9"},
		{"while True: pass", "--hook-timeout 300ms", "gunicorn.conf.py: it was executed for 300ms and has not come to its end; --hook-timeout allows more"},
		{"workers = = 3", "", "gunicorn.conf.py: SyntaxError: invalid syntax"},
		{"workers = 'many'", "", "gunicorn.conf.py: workers: \"many\": must be a number of workers"},
		{"timeout = object()", "", "gunicorn.conf.py: timeout: a object has no meaning here"},
		{"timeout = [1, 2]", "", "gunicorn.conf.py: timeout: takes one value, not a list"},
		{"def post_fork(server): pass", "", "gunicorn.conf.py: TypeError: post_fork: must take 2 arguments"},
		{"post_fork = 3", "", "gunicorn.conf.py: TypeError: post_fork: must be a function, not int"},
		{"def ssl_context(conf, default): pass", "", "gunicorn.conf.py: ssl_context: not here; TLS is not Python's"},
		{"paste = 'x.ini'", "", "gunicorn.conf.py: paste: not here; name the application itself"},
		{"from gunicorn.no_such_module import Logger", "", "; install gunicorn beside the application, or do without what is imported from it"},
		{"workers = 2", "-c python:no_such_module", "python:no_such_module: ModuleNotFoundError: No module named 'no_such_module'"},
		{"workers = 2", "gunicorn --wrkers 3", `--wrkers: gunicorn has no such option; did you mean "--workers"?`},
		{"workers = 2", "gunicorn -w 3", "which application? name it behind the options, or as wsgi_app in gunicorn.conf.py"},
		{"workers = 2", "gunicorn -t soon", `-t: "soon": not a duration`},
	} {
		dir := project(t, gunicornFile, tc.conf)
		_, err := Load(Input{Dir: dir, Args: strings.Fields(tc.args)})
		if err == nil || !strings.Contains("\n"+err.Error(), tc.want) {
			t.Errorf("%s:\n got %v\nwant %s", tc.conf, err, tc.want)
		}
	}
}

// TestWhichFile: asteri.toml goes before gunicorn.conf.py, and gunicorn's command line knows the latter only.
func TestWhichFile(t *testing.T) {
	both := project(t, ownFile, "workers = 2", gunicornFile, "workers = 3", "conf.py", "workers = 4", "odd.cfg", "workers = 5", "module_conf.py", "workers = 6")
	for _, tc := range []struct {
		args     string
		workers  int
		warnings string
	}{
		{"", 2, "gunicorn.conf.py is not read, as there is asteri.toml; -c gunicorn.conf.py reads it"},
		{"gunicorn app", 3, "asteri.toml is not read: this is gunicorn's command line; -c asteri.toml reads it"},
		{"gunicorn app -c asteri.toml", 2, ""},
		{"gunicorn app -c odd.cfg", 5, ""},
		{"-c conf.py", 4, ""},
		{"-c file:odd.cfg", 5, ""},
		{"-c python:module_conf", 6, ""},
	} {
		c := loadIn(t, both, "", tc.args)
		if got := strings.Join(c.Warnings, "\n"); c.Python.Workers != tc.workers || got != tc.warnings {
			t.Errorf("%s: %d, %q", tc.args, c.Python.Workers, got)
		}
	}
}

func TestGunicornCommandIsExplained(t *testing.T) {
	var b strings.Builder
	c := loadIn(t, t.TempDir(), "", "gunicorn -w 4 -b 0.0.0.0:80 -k uvicorn.workers.UvicornWorker --reload --preload --env A=b app:app")
	if err := c.ExplainCommand(&b); err != nil {
		t.Fatal(err)
	}
	want := "asteri-loop --bind 0.0.0.0:80 --workers 4 --worker-class asgi --env A=b --reload app:app\n# --preload: leave it out: each worker imports the application itself\n"
	if b.String() != want {
		t.Errorf("got %s\nwant %s", b.String(), want)
	}
}

// TestSettingsForHooks: hooks find gunicorn's settings as they are in effect, in gunicorn's units.
func TestSettingsForHooks(t *testing.T) {
	c := loadIn(t, project(t, gunicornFile, someConf), "", "gunicorn -w 6 --limit-request-line 4096 app:app")
	known := c.GunicornSettings()
	for name, want := range map[string]any{"workers": int64(6), "timeout": int64(40), "umask": int64(7), "accesslog": nil, "limit_request_line": int64(4096), "default_proc_name": "app:app", "reload": false} {
		if known[name] != want {
			t.Errorf("%s is %v (%T)", name, known[name], known[name])
		}
	}
	if len(known) != len(gunicorn.Rows) {
		t.Errorf("%d settings of %d", len(known), len(gunicorn.Rows))
	}
}

// TestRowsNameSettings: what settings of gunicorn's become is there.
func TestRowsNameSettings(t *testing.T) {
	for _, row := range gunicorn.Rows {
		if row.To != "" && find(row.To) == nil {
			t.Errorf("%s becomes %s, which is no setting", row.Name, row.To)
		}
	}
}

// TestControlSocketOfConf: a file that is named is read for it, and one that lies there is not executed.
func TestControlSocketOfConf(t *testing.T) {
	dir := project(t, gunicornFile, "open('executed', 'w')\ncontrol_socket = '/run/there'\n", "conf.py", "control_socket = '/run/conf'\n")
	for args, want := range map[string]string{"": "", "-c conf.py": "/run/conf", "--control-socket /run/given -c conf.py": "/run/given"} {
		if got, err := ControlSocket(Input{Dir: dir, Args: strings.Fields(args)}); got != want || err != nil {
			t.Errorf("%s: %q, %v", args, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "executed")); err == nil {
		t.Error("it was executed")
	}
}

// TestPeersNameSettings: an option of another server's is a setting where there is one.
func TestPeersNameSettings(t *testing.T) {
	for option, name := range map[string]string{
		"uvicorn env-file": "env_file", "granian env-files": "env_file", "granian pid-file": "pidfile", "granian process-name": "proc_name",
		"granian workers-lifetime": "max_worker_lifetime", "granian workers-max-rss": "max_worker_rss",
	} {
		server, of, _ := strings.Cut(option, " ")
		if here := peers.Find(server).Find(of).Here; (here != "") != isSetting(name) {
			t.Errorf("%s is %q here; there is a setting %s: %v", option, here, name, isSetting(name))
		}
	}
}

// TestElsewhere: what is named for other servers' options is there, and options of our own have no hint.
func TestElsewhere(t *testing.T) {
	known := make(map[string]bool)
	for _, s := range settings {
		for _, f := range s.Flags {
			known[f] = true
		}
	}
	check := func(of, text string) {
		for word := range strings.FieldsSeq(text) {
			word, _, _ = strings.Cut(strings.TrimRight(word, ",;:"), "=")
			if flag, ok := strings.CutPrefix(word, "--"); ok && !known[flag] {
				t.Errorf("%s: there is no --%s", of, flag)
			}
		}
	}
	for _, row := range gunicorn.Rows {
		check(row.Name, row.Why)
	}
	for _, s := range peers.Servers {
		check(s.Name, s.Note)
		for _, o := range s.Options {
			check(s.Name+" "+o.Names, o.Instead+" "+o.Here)
			if find(strings.ReplaceAll(o.Names, "-", "_")) != nil && o.Instead != "" {
				t.Errorf("%s --%s is a setting of our own", s.Name, o.Names)
			}
		}
	}
}
