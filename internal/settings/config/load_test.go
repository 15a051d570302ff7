package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// load reads the settings in a directory that holds file as asteri.toml.
func load(t *testing.T, file string, env []string, args ...string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	if file != "" {
		if err := os.WriteFile(filepath.Join(dir, "asteri.toml"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(Input{Args: args, Environ: env, Dir: dir})
}

func mustLoad(t *testing.T, file string, env []string, args ...string) *Config {
	t.Helper()
	c, err := load(t, file, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, "", nil)
	if !slices.Equal(c.Server.Listen.Addresses, []string{"127.0.0.1:8000"}) || c.Python.Workers != 1 || c.Python.Model != "" || c.Python.Timeout != 30*time.Second {
		t.Errorf("bind %v, workers %d, class %q, timeout %v", c.Server.Listen.Addresses, c.Python.Workers, c.Python.Model, c.Python.Timeout)
	}
	if c.Server.Timeouts.KeepAlive != 2*time.Second || c.Server.Limits.RequestLine != 4094 || c.Server.Limits.FieldSize != 8190 || c.Server.Listen.Backlog != 2048 {
		t.Errorf("keep-alive %v, line %d, field size %d, backlog %d", c.Server.Timeouts.KeepAlive, c.Server.Limits.RequestLine, c.Server.Limits.FieldSize, c.Server.Listen.Backlog)
	}
	if !c.Serves("http") || !c.Serves("https") {
		t.Errorf("without a certificate a port speaks %v", c.Server.Listen.Schemes)
	}
	if got := c.Origin("bind").String(); got != "default" {
		t.Errorf("origin %q", got)
	}
}

func TestPrecedence(t *testing.T) {
	file := "timeout = 10\nthreads = 3\nqueue_size = 7\nbind = ['127.0.0.1:1', '127.0.0.1:2']\n"
	env := []string{"ASTERI_TIMEOUT=20", "ASTERI_THREADS=4", "PORT=9"}
	c := mustLoad(t, file, env, "--timeout", "1m")
	if c.Python.Timeout != time.Minute || c.Python.Threads != 4 || c.Python.QueueSize != 7 {
		t.Errorf("timeout %v, threads %d, queue %d", c.Python.Timeout, c.Python.Threads, c.Python.QueueSize)
	}
	if !slices.Equal(c.Server.Listen.Addresses, []string{":9"}) {
		t.Errorf("a list of one layer must replace that of another: %v", c.Server.Listen.Addresses)
	}
	for name, want := range map[string]string{
		"timeout": "command line --timeout", "threads": "environment ASTERI_THREADS",
		"queue_size": "file asteri.toml: queue_size", "bind": "environment PORT", "umask": "default",
	} {
		if got := c.Origin(name).String(); got != want {
			t.Errorf("%s comes from %q, want %q", name, got, want)
		}
	}
}

func TestWorkers(t *testing.T) {
	for _, tc := range []struct {
		file, env string
		args      []string
		workers   int
		class     string
	}{
		{args: []string{"-w", "4"}, workers: 4},
		{args: []string{"-w", "gtornado"}, workers: 1, class: "gtornado"},
		{args: []string{"-w", "gthread:3"}, workers: 3, class: "gthread"},
		{args: []string{"-w", "gtornado", "--workers=8"}, workers: 8, class: "gtornado"},
		{args: []string{"-k", "asgi", "-w2"}, workers: 2, class: "asgi"},
		{args: []string{"-k", "uvicorn.workers.UvicornWorker"}, workers: 1, class: "asgi"},
		{args: []string{"-k", "sync", "--threads", "4"}, workers: 1, class: "gthread"},
		{args: []string{"-k", "auto", "--threads", "4"}, workers: 1, class: ""},
		{env: "WEB_CONCURRENCY=5", workers: 5},
		{env: "ASTERI_WORKERS=tornado", args: []string{"-w", "6"}, workers: 6, class: "tornado"},
		{file: "workers = 'sync:2'", args: []string{"-w", "gevent"}, workers: 2, class: "gevent"},
		{file: "workers = 3\nworker_class = 'gevent'", workers: 3, class: "gevent"},
	} {
		c := mustLoad(t, tc.file, []string{tc.env}, tc.args...)
		if c.Python.Workers != tc.workers || c.Python.Model != tc.class {
			t.Errorf("%q %q %v: %d workers, class %q; want %d, %q", tc.file, tc.env, tc.args, c.Python.Workers, c.Python.Model, tc.workers, tc.class)
		}
	}
}

func TestAddresses(t *testing.T) {
	for given, want := range map[string]string{
		"127.0.0.1:80":         "127.0.0.1:80",
		":8443":                ":8443",
		"8443":                 ":8443",
		"[::]:80":              "[::]:80",
		"[::1]":                "[::1]:8000",
		"0.0.0.0":              "0.0.0.0:8000",
		"localhost:0":          "localhost:0",
		"tcp://localhost:81":   "localhost:81",
		"unix:/run/app.sock":   "unix:/run/app.sock",
		"unix:///run/app.sock": "unix:/run/app.sock",
		"fd://3":               "fd://3",
	} {
		if c := mustLoad(t, "", nil, "-l", given); !slices.Equal(c.Server.Listen.Addresses, []string{want}) {
			t.Errorf("%s: %v, want %s", given, c.Server.Listen.Addresses, want)
		}
	}
	c := mustLoad(t, "", nil, "-b", ":1", "--listen=:2", "-l:3")
	if !slices.Equal(c.Server.Listen.Addresses, []string{":1", ":2", ":3"}) {
		t.Errorf("repeated: %v", c.Server.Listen.Addresses)
	}
}

func TestSources(t *testing.T) {
	want := []string{"A=1", "B=two words"}
	for _, tc := range []struct {
		file string
		env  []string
		args []string
	}{
		{args: []string{"-e", "A=1", "--env", "B=two words"}},
		{env: []string{"ASTERI_ENV=A=1, B=two words"}},
		{env: []string{"ASTERI_RAW_ENV=A=1,B=two words"}},
		{file: "env = ['A=1', 'B=two words']"},
		{file: "raw_env = ['A=1', 'B=two words']"},
		{file: "[env]\nB = 'two words'\nA = 1"},
	} {
		if c := mustLoad(t, tc.file, tc.env, tc.args...); !slices.Equal(c.Python.Env, want) {
			t.Errorf("%+v: %q", tc, c.Python.Env)
		}
	}
}

func TestSpellings(t *testing.T) {
	c := mustLoad(t, "accesslog = '-'\nloglevel = 'WARN'\nkeepalive = 5\numask = '007'\nmax_body_size = '1GiB'\npythonpath = 'a,b'", nil,
		"--limit_request_field_size", "1k", "--cert-reqs", "0", "--protocols", "https,http", "--status=off", "app:app", "--ssl-version=TLSv1.3")
	if c.AccessLogfile != "-" || c.LogLevel != "warning" || c.Server.Timeouts.KeepAlive != 5*time.Second || c.Server.Listen.Mode != 0o770 || c.Server.Limits.Body != 1<<30 {
		t.Errorf("%+v", c)
	}
	if !slices.Equal(c.Python.PythonPath, []string{"a", "b"}) || !c.Server.Status.Off || c.App != "app:app" || c.Server.TLS.MinVersion != "TLSv1_3" {
		t.Errorf("%+v", c)
	}
	if !slices.Equal(c.Server.Listen.Schemes, []string{"http", "https"}) || c.Server.TLS.VerifyClient != "none" {
		t.Errorf("%+v", c)
	}
}

func TestDurationsAndSizes(t *testing.T) {
	for given, want := range map[string]time.Duration{
		"30": 30 * time.Second, "0.5": 500 * time.Millisecond, "30s": 30 * time.Second, "2m": 2 * time.Minute,
		"1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond, "1 h": time.Hour, "2d": 48 * time.Hour,
	} {
		if got, err := parseDuration(given); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", given, got, err, want)
		}
	}
	for given, want := range map[string]int64{
		"0": 0, "8190": 8190, "64k": 64 << 10, "64KB": 64 << 10, "64KiB": 64 << 10, "16m": 16 << 20, "1GiB": 1 << 30, "2 T": 2 << 40,
	} {
		if got, err := parseSize(given); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", given, got, err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		file, env string
		args      []string
		want      string
	}{
		{args: []string{"--wokers", "4"}, want: `--wokers: no such option; did you mean "--workers"?`},
		{args: []string{"--xyzzy"}, want: `--xyzzy: no such option`},
		{args: []string{"--port", "80"}, want: `--port: no such option; use --bind HOST:PORT`},
		{args: []string{"-x"}, want: `-x: no such option`},
		{args: []string{"--preload"}, want: `--preload: no such option; leave it out: each worker imports the application itself`},
		{args: []string{"-reload"}, want: `-r: no such option; did you mean "--reload"?`},
		{args: []string{"--worker-tmp_dir", "/dev/shm"}, want: `--worker-tmp_dir: no such option; leave it out: no worker is watched by a file, and one that gives no sign of life is found without; --tmp-upload-dir is where bodies wait`},
		{args: []string{"-w", "8..2"}, want: `--workers: "8..2": must be the fewer first: 2..8`},
		{args: []string{"-w", "2..many"}, want: `--workers: "2..many": not a whole number`},
		{args: []string{"-u", "nobodi"}, want: `--user: "nobodi": there is no such user; did you mean "nobody"?`},
		{args: []string{"-g", "no such group"}, want: `--group: "no such group": there is no such group`},
		{args: []string{"--worker-rlimit", "NOFILES=4"}, want: `--worker-rlimit: "NOFILES=4": the name must be one of AS, CORE, CPU, DATA, FSIZE, MEMLOCK, NOFILE, NPROC, RSS, STACK; did you mean "NOFILE"?`},
		{args: []string{"--worker-rlimit", "NOFILE=9:4"}, want: `--worker-rlimit: "NOFILE=9:4": the soft limit must not be above the hard one: SOFT:HARD`},
		{args: []string{"--worker-nice", "20"}, want: `--worker-nice: "20": must be from -20 to 19`},
		{args: []string{"-n", "a\nb"}, want: `--name: "a\nb": must be text without control characters`},
		{args: []string{"-l", "systemd:"}, want: `--listen: "systemd:": must be systemd:NAME, with the name of sockets (FileDescriptorName=)`},
		{args: []string{"-workers", "4"}, want: `--workers: "orkers": must be a number of workers, auto, two as in 2..8, a model (asgi, gevent, gthread, gtornado, sync, tornado) or model:number`},
		{args: []string{"--timeout"}, want: `--timeout: needs a value: TIME`},
		{args: []string{"-t"}, want: `--timeout: needs a value: TIME`},
		{args: []string{"--timeout", "abc"}, want: `--timeout: "abc": not a duration: give seconds or a number with a unit (30, 30s, 2m, 500ms, 1h)`},
		{args: []string{"--timeout=-1"}, want: `--timeout: "-1": must be from 0s to 8760h`},
		{args: []string{"--timeout", "NaN"}, want: `--timeout: "NaN": not a duration: give seconds or a number with a unit (30, 30s, 2m, 500ms, 1h)`},
		{args: []string{"-w", "0"}, want: `--workers: "0": must be from 1 to 4096`},
		{args: []string{"-w", "-3"}, want: `--workers: "-3": must be from 1 to 4096`},
		{args: []string{"-w", "gtornadoo"}, want: `--workers: "gtornadoo": must be a number of workers, auto, two as in 2..8, a model (asgi, gevent, gthread, gtornado, sync, tornado) or model:number; did you mean "gtornado"?`},
		{args: []string{"-w", "sync:many"}, want: `--workers: "many": not a whole number`},
		{args: []string{"-k", "eventlet"}, want: `--worker-class: "eventlet": must be one of auto, asgi, gevent, gthread, gtornado, sync, tornado`},
		{args: []string{"-k", "sync", "-w", "gevent"}, want: `--workers: "gevent" contradicts --worker-class, which says "sync"`},
		{args: []string{"--queue-size", "x"}, want: `--queue-size: "x": not a whole number`},
		{args: []string{"--queue-size", "99999999999999999999"}, want: `--queue-size: "99999999999999999999": not a whole number`},
		{args: []string{"--threads", "0"}, want: `--threads: "0": must be from 1 to 4096`},
		{args: []string{"--limit-request-fields", "-1"}, want: `--limit-request-fields: "-1": must be at least 0`},
		{args: []string{"--limit-request-line", "-1"}, want: `--limit-request-line: "-1": not a size: give bytes or a number with a unit (8190, 64k, 16MiB, 1GiB)`},
		{args: []string{"--max-body-size", "1x"}, want: `--max-body-size: "1x": not a size: give bytes or a number with a unit (8190, 64k, 16MiB, 1GiB)`},
		{args: []string{"--max-body-size", "9999999999g"}, want: `--max-body-size: "9999999999g": not a size: give bytes or a number with a unit (8190, 64k, 16MiB, 1GiB)`},
		{args: []string{"--limit-request-head", "1"}, want: `--limit-request-head: "1": must be from 1KiB to 16MiB`},
		{args: []string{"--umask", "9"}, want: `--umask: "9": must be an octal number from 0 to 777`},
		{args: []string{"--log-level", "inof"}, want: `--log-level: "inof": must be one of debug, info, warning, error, critical; did you mean "info"?`},
		{args: []string{"--status=maybe"}, want: `--status: "maybe": must be on or off`},
		{args: []string{"-b", "nowhere:port"}, want: `--bind: "nowhere:port": port "port" must be a number from 0 to 65535`},
		{args: []string{"-l", "1:2:3"}, want: `--listen: "1:2:3": must be HOST:PORT, :PORT, [IPV6]:PORT, unix:PATH, fd://N or systemd:NAME`},
		{args: []string{"-l", ":70000"}, want: `--listen: ":70000": port "70000" must be a number from 0 to 65535`},
		{args: []string{"-l", "fd://1"}, want: `--listen: "fd://1": must be fd://N with a descriptor number from 3`},
		{args: []string{"-l", "unix:"}, want: `--listen: "unix:": must be unix:PATH`},
		{args: []string{"-e", "NOVALUE"}, want: `--env: "NOVALUE": must be NAME=VALUE`},
		{args: []string{"--root-path", "api"}, want: `--root-path: "api": must begin with /`},
		{args: []string{"--status-allow", "10.0.0.0/33"}, want: `--status-allow: "10.0.0.0/33": must be an address or a network like 10.0.0.0/8`},
		{args: []string{"--protocols", "h2"}, want: `--protocols: "h2": must be one of http, https`},
		{args: []string{"--ssl-version", "TLSv1"}, want: `--ssl-version: "TLSv1": must be one of TLSv1_2, TLSv1_3`},
		{args: []string{"--cert-reqs", "3"}, want: `--cert-reqs: "3": must be 0 (none), 1 (optional) or 2 (required)`},
		{args: []string{"--access-logformat", "%(x)s"}, want: `--access-logformat: "%(x)s": %(x)s is not known; there are B, D, H, L, M, T, U, a, b, f, h, l, m, p, q, r, s, t, u, {NAME}i, {NAME}o, {NAME}e and {NAME}x`},
		{args: []string{"a:b", "c:d"}, want: `"c:d": there can be one application only, and that is "a:b"`},
		{args: []string{""}, want: "APP is empty; leave it out for the demonstration"},
		{args: []string{"--keyfile", "k.pem"}, want: `--keyfile: a key needs its certificate: add --certfile`},
		{args: []string{"--certfile", "a", "--certfile", "b", "--keyfile", "k"}, want: `--keyfile: 1 keys for 2 certificates: give one --keyfile for each --certfile, in the same order`},
		{args: []string{"--certfile", "a", "--protocols", "http"}, want: `--protocols: http alone has no use for --certfile: add https`},
		{args: []string{"--verify-client", "required", "--certfile", "a"}, want: `--verify-client: "required": needs --ca-certs to verify clients against`},
		{args: []string{"--cert-reqs", "2", "--ca-certs", "ca"}, want: `--cert-reqs: "required": plain http on the same port would let clients in without: use --protocols https`},

		{env: "ASTERI_TIMEOUT=soon", want: `ASTERI_TIMEOUT: "soon": not a duration: give seconds or a number with a unit (30, 30s, 2m, 500ms, 1h)`},
		{env: "WEB_CONCURRENCY=lots", want: `WEB_CONCURRENCY: "lots": must be a number of workers, auto, two as in 2..8, a model (asgi, gevent, gthread, gtornado, sync, tornado) or model:number`},
		{env: "PORT=http", want: `PORT: ":http": port "http" must be a number from 0 to 65535`},

		{file: "wokers = 4", want: `asteri.toml: wokers: no such setting; did you mean "workers"?`},
		{file: "preload_app = true", want: `asteri.toml: preload_app: no such setting; leave it out: each worker imports the application itself`},
		{file: "help = true", want: `asteri.toml: help: no such setting`},
		{file: "timeout = 'x'", want: `asteri.toml: timeout: "x": not a duration: give seconds or a number with a unit (30, 30s, 2m, 500ms, 1h)`},
		{file: "timeout = [1, 2]", want: `asteri.toml: timeout: takes one value, not a list`},
		{file: "timeout = 2001-01-01", want: `asteri.toml: timeout: a time.Time has no meaning here`},
		{file: "umask = 22", want: `asteri.toml: umask: 22: write an octal number as text: "022"`},
		{file: "keepalive = 1\nkeep_alive = 2", want: `asteri.toml: keepalive: "1" contradicts asteri.toml: keep_alive, which says "2"`},
		{file: "\n\ntimeout = = 3", want: `asteri.toml, line 3: expected value but found '=' instead`},
		{args: []string{"-c", "missing.py"}, want: `configuration file: open DIR/missing.py: no such file or directory`},
		{args: []string{"-c", "missing.toml"}, want: `configuration file: open DIR/missing.toml: no such file or directory`},
	} {
		_, err := load(t, tc.file, []string{tc.env}, tc.args...)
		if err == nil {
			t.Errorf("%q %q %v: no error, want %s", tc.file, tc.env, tc.args, tc.want)
			continue
		}
		got := err.Error()
		if i := strings.Index(got, "/missing."); i >= 0 {
			got = got[:strings.Index(got, "open ")+5] + "DIR" + got[i:]
		}
		if got != tc.want && !strings.HasPrefix(got, tc.want+"; did you mean") {
			t.Errorf("%q %q %v:\n got %s\nwant %s", tc.file, tc.env, tc.args, got, tc.want)
		}
	}
}

func TestHelpWinsOverMistakesElsewhere(t *testing.T) {
	c := mustLoad(t, "nonsense = 1", []string{"ASTERI_TIMEOUT=x"}, "--help")
	if !c.Help {
		t.Error("help was not asked for")
	}
}

func TestMisspelledVariableIsAWarning(t *testing.T) {
	c := mustLoad(t, "", []string{"ASTERI_WOKERS=3", "ASTERI_SOMETHING_ELSE_ENTIRELY=1"})
	want := []string{`environment variable ASTERI_WOKERS is not a setting; did you mean "ASTERI_WORKERS"?`}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("%q", c.Warnings)
	}
}

func TestSwitchesTakeOnAndOff(t *testing.T) {
	for _, test := range []struct {
		args []string
		want bool
	}{
		{[]string{"app:app"}, true}, {[]string{"--capture-output", "app:app"}, true}, {[]string{"--capture-output", "off", "app:app"}, false},
		{[]string{"app:app", "--capture_output", "off"}, false}, {[]string{"--capture-output=off", "app:app"}, false}, {[]string{"app:app", "--capture-output", "on"}, true},
	} {
		if c := mustLoad(t, "", nil, test.args...); c.Python.KeepOutput == test.want || c.App != "app:app" {
			t.Errorf("%q: %v, %q", test.args, c.Python.KeepOutput, c.App)
		}
	}
	if c := mustLoad(t, "", nil, "--", "off"); c.App != "off" {
		t.Errorf("%q", c.App)
	}
}

func TestPrintedConfigReadsBack(t *testing.T) {
	args := []string{
		"-l", ":1", "-l", "unix:/x y", "-w", "gthread:3", "-m", "027", "-t", "90s", "-e", `A="quoted" \ back`, "--max-body-size", "10m",
		"--certfile", "a.pem", "--status-allow", "10.1.2.3", "--protocols", "http,https", "app:app", "--chdir", "/tmp", "--buffer-budget", "12345678",
		"--limit-requests", "100/m:7", "--forwarded-allow-ips", "", "--limit-exempt", "*,10.0.0.0/8",
	}
	first := mustLoad(t, "", nil, args...)
	var file strings.Builder
	if err := first.Print(&file); err != nil {
		t.Fatal(err)
	}
	second := mustLoad(t, file.String(), nil)
	second.File, second.dir, second.origins, second.given = first.File, first.dir, first.origins, first.given
	if fmt.Sprintf("%+v", first) != fmt.Sprintf("%+v", second) {
		t.Errorf("first  %+v\nsecond %+v\nfile:\n%s", first, second, file.String())
	}
	if !strings.Contains(file.String(), "# command line --workers") {
		t.Errorf("no origins:\n%s", file.String())
	}
}

func TestRestart(t *testing.T) {
	before := mustLoad(t, "", nil, "-t", "5")
	after := mustLoad(t, "", nil, "-t", "6", "--loops", "3", "-b", ":9")
	if got := before.Restart(after); !slices.Equal(got, []string{"bind", "loops"}) {
		t.Errorf("%v", got)
	}
}

func TestChdirIsRelativeToTheStart(t *testing.T) {
	c := mustLoad(t, "", nil, "--chdir", "sub")
	if !filepath.IsAbs(c.Python.Chdir) || filepath.Base(c.Python.Chdir) != "sub" {
		t.Errorf("%s", c.Python.Chdir)
	}
}

func TestConfigurationFilePath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "other.toml")
	if err := os.WriteFile(path, []byte("threads = 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{path, "other.toml"} {
		c, err := Load(Input{Args: []string{"-c", given}, Dir: dir})
		if err != nil || c.Python.Threads != 3 {
			t.Errorf("-c %s: %+v, %v", given, c, err)
		}
	}
}

// ctl finds the socket where the server has it from, whatever is wrong with other settings.
func TestControlSocket(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "asteri.toml")
	if err := os.WriteFile(file, []byte("control_socket = 'run/c.sock'\nnonsense = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		in   Input
		want string
	}{
		"the file":         {Input{Dir: dir}, dir + "/run/c.sock"},
		"a file":           {Input{Dir: "/", Args: []string{"--config", file}}, "/run/c.sock"},
		"the environment":  {Input{Dir: dir, Environ: []string{"ASTERI_CONTROL_SOCKET=/e.sock", "ASTERI_WORKERS=many"}}, "/e.sock"},
		"the command line": {Input{Dir: dir, Environ: []string{"ASTERI_CONTROL_SOCKET=/e.sock"}, Args: []string{"--control-socket", "/o.sock"}}, "/o.sock"},
		"none":             {Input{Dir: t.TempDir()}, ""},
	} {
		if got, err := ControlSocket(tc.in); got != tc.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tc.want)
		}
	}
	if _, err := ControlSocket(Input{Dir: dir, Args: []string{"--config", "none.toml"}}); err == nil {
		t.Error("a file that is not there was read")
	}
}
