package gunicorn

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"-w 4 -b :8000 -b unix:/a -k gthread app:app", "workers=4 bind=:8000 bind=unix:/a worker_class=gthread | app:app"},
		{"-w4 -t=5 --keep-alive=7 mysite.wsgi", "workers=4 timeout=5 keepalive=7 | mysite.wsgi"},
		{"-DR -p /run/x.pid -m 007 app", "daemon=true enable_stdio_inheritance=true pidfile=/run/x.pid umask=007 | app"},
		{"-Dw 4 app", "daemon=true workers=4 | app"},
		{"--work 3 app", "! --work: could be --workers or --worker-class or --worker-connections or --worker-tmp-dir"},
		{"--worker-c x", "! --worker-c: could be --worker-class or --worker-connections"},
		{"--prel app", "preload_app=true | app"},
		{"app --no-sendfile", "sendfile=false | app"},
		{"--log-file - app", "errorlog=- | app"},
		{"--proxy-protocol v2 app", "proxy_protocol=v2 | app"},
		{"--proxy-protocol --reload app", "proxy_protocol=auto reload=true | app"},
		{"--limit-request-field_size 5 --paster x", "limit_request_field_size=5 paste=x | "},
		{"-- -w", "| -w"},
		{"--wrkers 3", `! --wrkers: gunicorn has no such option; did you mean "--workers"?`},
		{"-x", "! -x: gunicorn has no such option"},
		{"-w", "! -w: needs a value"},
		{"--reload=1", "! --reload: takes no value"},
		{"a b", `! "b": there can be one application only, and that is "a"`},
	} {
		line, err := Parse(strings.Fields(tc.args))
		var got []string
		for _, g := range line.Given {
			got = append(got, fmt.Sprintf("%s=%v", g.Name, g.Value))
		}
		said := strings.TrimSpace(strings.Join(got, " ") + " | " + line.App)
		if err != nil {
			said = "! " + err.Error()
		}
		if said != strings.TrimSpace(tc.want) {
			t.Errorf("%s:\n got %s\nwant %s", tc.args, said, tc.want)
		}
	}
}

func TestVariableIsSplitAsByAShell(t *testing.T) {
	args, err := SplitVariable(`--bind=127.0.0.1:8000 -e 'A=b c' --access-logformat "%(h)s"`)
	if want := []string{"--bind=127.0.0.1:8000", "-e", "A=b c", "--access-logformat", "%(h)s"}; err != nil || !reflect.DeepEqual(args, want) {
		t.Errorf("%q, %v", args, err)
	}
	if _, err := SplitVariable(`-e 'A`); err == nil || !strings.HasPrefix(err.Error(), "GUNICORN_CMD_ARGS: ") {
		t.Errorf("%v", err)
	}
}

func TestValues(t *testing.T) {
	list := func(all ...any) []any { return all }
	for _, tc := range []struct {
		name string
		v    any
		want []string // nil: none
		bad  bool
	}{
		{name: "workers", v: 9.0, want: []string{"9"}},
		{name: "bind", v: "0.0.0.0", want: []string{"0.0.0.0:8000"}},
		{name: "bind", v: list("[::1]", "unix:///a", ":1"), want: []string{"[::1]:8000", "unix:/a", ":1"}},
		{name: "umask", v: 7.0, want: []string{"007"}},
		{name: "umask", v: "022", want: []string{"022"}},
		{name: "umask", v: "0o22", want: []string{"022"}},
		{name: "umask", v: "18", want: []string{"022"}},
		{name: "umask", v: "x", bad: true},
		{name: "accesslog", v: nil, want: []string{"none"}},
		{name: "errorlog", v: nil},
		{name: "reload", v: true, want: []string{"true"}},
		{name: "forwarded_allow_ips", v: "10.0.0.1, 10.0.0.2", want: []string{"10.0.0.1", "10.0.0.2"}},
		{name: "secure_scheme_headers", v: map[string]any{"X-B": "on", "X-A": "ssl"}, want: []string{"X-A=ssl", "X-B=on"}},
		{name: "secure_scheme_headers", v: map[string]any{"X-B": list()}, bad: true},
		{name: "worker_class", v: "gevent", want: []string{"gevent"}},
		{name: "worker_class", v: "egg:gunicorn#gevent", want: []string{"gevent"}},
		{name: "worker_class", v: "uvicorn.workers.UvicornWorker", want: []string{"asgi"}},
		{name: "worker_class", v: "gunicorn.workers.gthread.ThreadWorker", want: []string{"gthread"}},
		{name: "worker_class", v: list("shop.workers.Worker", "uvicorn_worker._workers.UvicornWorker"), want: []string{"asgi"}},
		{name: "worker_class", v: "shop.workers.Own", bad: true},
		{name: "ssl_version", v: 2.0},
		{name: "ssl_version", v: 5.0, want: []string{"TLSv1_2"}},
		{name: "ssl_version", v: "TLSv1", bad: true},
		{name: "http2_cleartext", v: "both", want: []string{"prior-knowledge"}},
		{name: "statsd_prefix", v: "shop.", want: []string{"shop"}},
		{name: "graceful_timeout", v: 0.0, want: []string{"0.001"}},
	} {
		got, err := Find(tc.name).Convert(tc.v)
		if !reflect.DeepEqual(got, tc.want) && len(got)+len(tc.want) > 0 || (err != nil) != tc.bad {
			t.Errorf("%s %v: %q, %v", tc.name, tc.v, got, err)
		}
	}
	_, err := Find("worker_class").Convert("shop.workers.Own")
	if !errors.As(err, new(*StrangerError)) {
		t.Errorf("%v", err)
	}
}

// TestRows: what nothing comes of has a reason, and what something comes of a name.
func TestRows(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range Rows {
		if seen[r.Name] {
			t.Errorf("%s is there twice", r.Name)
		}
		seen[r.Name] = true
		idle := r.Fate == Needless || r.Fate == Missed || r.Fate == Refused
		if idle && r.Why == "" || r.Fate == Becomes && r.To == "" {
			t.Errorf("%s: no reason, or nothing that it becomes", r.Name)
		}
		if hook := r.Fate == WorkerHook || r.Fate == ServerHook; hook && (r.Arity == 0 || r.Flags != "") {
			t.Errorf("%s: a hook", r.Name)
		}
	}
}
