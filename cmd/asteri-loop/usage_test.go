package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/asteri/asteri-loop/server"
)

func TestCommands(t *testing.T) {
	for _, tc := range []struct {
		env    []string
		args   []string
		status int
		out    string // on standard output, a part
		log    string // on standard error, a part
	}{
		{args: []string{"--version"}, out: "asteri-loop " + version + "\n"},
		{args: []string{"-v"}, out: "asteri-loop "},
		{args: []string{"-V"}, out: "asteri-loop " + version + "\n"},
		{args: []string{"version"}, out: "asteri-loop " + version + "\n"},
		{args: []string{"-h"}, out: "usage: asteri-loop [OPTIONS] [APP]\n"},
		{args: []string{"help"}, out: "usage: asteri-loop [OPTIONS] [APP]\n"},
		{args: []string{"-w", "4", "app:app", "--wokers", "--help"}, out: "usage: asteri-loop [OPTIONS] [APP]\n"},
		{args: []string{"--help", "all"}, out: "\nWorker Processes:\n  -w, --workers N|MODEL[:N]\n"},
		{args: []string{"help", "tls"}, out: "SSL:\n  --certfile FILE"},
		{args: []string{"help", "--timeout"}, out: "  -t, --timeout TIME"},
		{args: []string{"help", "tsl"}, status: exitUsage, log: `help: "tsl" is no topic and no option; did you mean "tls"?`},
		{args: []string{"--print-config", "--status-token", "0123456789abcdef"}, out: `status_token = "********"                # command line --status-token, masked`},
		{
			args: []string{"--port", "8000", "--limit-max-requests", "9", "-t", "soon", "--ssl-certificate=x", "-w", "gtornad", "-R", "app:app"}, status: exitUsage,
			log: "asteri-loop: --port: no such option; use --bind HOST:PORT\nasteri-loop: --limit-max-requests: no such option; use --max-requests INT\n" +
				"asteri-loop: --ssl-certificate: no such option; use --certfile FILE\nasteri-loop: -R: no such option; use --capture-output off\n" +
				"asteri-loop: --workers: \"gtornad\": must be a number of workers, auto, two as in 2..8, a model (asgi, gevent, gthread, gtornado, sync, tornado) or model:number; did you mean \"gtornado\"?\n" +
				"asteri-loop: --timeout: \"soon\": not a duration: give seconds or a number with a unit (30, 30s, 2m, 500ms, 1h)\nTry asteri-loop --help.\n",
		},
		{args: []string{"--print-config", "-w", "gtornado:3"}, out: "worker_class = \"gtornado\"                # command line --workers\n"},
		{env: []string{"PORT=81"}, args: []string{"--print-config"}, out: "bind = [\":81\"]                           # environment PORT\n"},
		{args: []string{"--check-config"}, log: "no application to import"},
		{args: []string{"--wokers"}, status: exitUsage, log: "asteri-loop: --wokers: no such option; did you mean \"--workers\"?\nTry asteri-loop --help.\n"},
		{args: []string{"-t", "soon"}, status: exitUsage, log: `--timeout: "soon": not a duration`},
		{args: []string{"--chdir", "/does/not/exist"}, status: exitUsage, log: "/does/not/exist: no such file"},
		{args: []string{"--certfile", "none.pem"}, status: exitUsage, log: "[CRITICAL] The server cannot start: certificate: open none.pem: no such file or directory\n"},
		{args: []string{"--check-config", "--certfile", "none.pem"}, status: exitUsage, log: "none.pem"},
		{args: []string{"--error-logfile", "/does/not/exist"}, status: exitUsage, log: "error log: open /does/not/exist"},
		{args: []string{"-l", "unix:/does/not/exist/sock"}, status: exitUsage, log: "listen on unix:/does/not/exist/sock: bind: no such file"},
		{args: []string{"--admin-listen", "unix:/does/not/exist/sock"}, status: exitUsage, log: "bind: no such file"},
		{args: []string{"ctl", "--help"}, out: "usage: asteri-loop ctl [OPTIONS] COMMAND\n"},
		{args: []string{"ctl"}, status: exitUsage, log: "asteri-loop: ctl: give a command: add-worker, "},
		{args: []string{"ctl", "status"}, status: exitUsage, log: "asteri-loop: ctl: which server? give --control-socket PATH"},
		{args: []string{"ctl", "relod"}, status: exitUsage, log: `no such command: "relod"; did you mean reload? There are add-worker, `},
		{args: []string{"ctl", "reload", "--app", ""}, status: exitUsage, log: "--app: must not be empty"},
		{args: []string{"ctl", "scale"}, status: exitUsage, log: "scale needs a number of workers"},
		{args: []string{"ctl", "scale", "-1"}, status: exitUsage, log: "-1: the number of workers must be from 1 to 4096"},
		{args: []string{"ctl", "scale", "2", "3"}, status: exitUsage, log: `scale: one word too many: "3"`},
		{args: []string{"ctl", "drain", "now"}, status: exitUsage, log: `drain: takes nothing: "now"`},
		{args: []string{"ctl", "stop", "--app", "/"}, status: exitUsage, log: "stop is not about one application"},
		{args: []string{"ctl", "--config", "none.toml", "status"}, status: exitUsage, log: "none.toml: no such file"},
		{env: []string{"ASTERI_CONTROL_SOCKET=none.sock"}, args: []string{"ctl", "status"}, status: exitFailure, log: "asteri-loop: no server has a control socket at /"},
		{args: []string{"--control-socket", "/does/not/exist/sock"}, status: exitUsage, log: "listen unix /does/not/exist/sock: bind: no such file"},
		{args: []string{"--access-logfile", "/does/not/exist"}, status: exitUsage, log: "access log: open /does/not/exist"},
	} {
		status, out, log := once(t, t.TempDir(), tc.env, tc.args...)
		if status != tc.status || !strings.Contains(out, tc.out) || !strings.Contains(log, tc.log) {
			t.Errorf("%v %v: status %d, want %d\n--- standard output\n%s--- standard error\n%s", tc.env, tc.args, status, tc.status, out, log)
		}
	}
}

// What is wrong with the settings may show only when they are used.
func TestMistakesThatShowLate(t *testing.T) {
	dir := t.TempDir()
	own, foreign := writeCertificate(t, dir, "own.pem", "localhost"), writeCertificate(t, dir, "foreign.pem", "localhost")
	for _, args := range [][]string{
		{"--ciphers", "FOO"}, {"--certfile", own, "--keyfile", foreign}, {"--certfile", own, "--keyfile", "none.pem"},
		{"--certfile", own, "--verify-client", "required", "--ca-certs", "none.pem"},
		{"--static", "/s=none"}, {"--static", "/s=own.pem"},
		{"--error-logfile", "none/e.log"}, {"--access-logfile", "none/a.log"},
	} {
		for _, args := range [][]string{args, append([]string{"--check-config"}, args...)} {
			if status, _, log := once(t, dir, nil, append(args, "-b", "127.0.0.1:0")...); status != exitUsage || log == "" {
				t.Errorf("%v: status %d\n%s", args, status, log)
			}
		}
	}
}

// A machine that lacks something for now has no mistake in the settings.
func TestExitStatus(t *testing.T) {
	for cause, want := range map[error]int{syscall.ENOENT: exitUsage, syscall.EACCES: exitUsage, syscall.EMFILE: exitFailure, syscall.EADDRINUSE: exitFailure, syscall.ENOSPC: exitFailure} {
		err := fmt.Errorf("the server: %w", &os.PathError{Err: cause})
		if lacks := server.Lacking(err); lacks != (want == exitFailure) {
			t.Errorf("%v: %v", cause, lacks)
		}
		if got := exitStatus(err); got != exitFailure {
			t.Errorf("%v: %d without a setting to blame", cause, got)
		}
	}
	if got := exitStatus(fmt.Errorf("x: %w", &server.ConfigError{Err: syscall.ENOENT})); got != exitUsage {
		t.Errorf("%d", got)
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	status, _, log := once(t, t.TempDir(), nil, "-b", ln.Addr().String())
	if status != exitFailure || !strings.Contains(log, "address already in use") {
		t.Errorf("status %d:\n%s", status, log)
	}
}

func TestConfigurationFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "asteri.toml"), []byte("bind = '127.0.0.1:0'\naccess_logfile = 'access.log'\naccess_logformat = '%(m)s %(U)s %(s)s'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, dir, nil)
	p.await("Running ")
	get(t, client(), p.url("http")+"/plaintext")
	path := filepath.Join(dir, "access.log")
	eventually(t, "the access log", func() bool {
		text, _ := os.ReadFile(path)
		return string(text) == "GET /plaintext 200\n"
	})
}
