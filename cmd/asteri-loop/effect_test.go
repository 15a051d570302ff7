package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/status"
)

// A setting is a row, and the field that it sets: nothing else has to be written for it to
// arrive where the server, an application or a log is made. So each row is given another
// value here, and something there has to be different.
func TestEverySettingHasAnEffect(t *testing.T) {
	read := fieldsRead(t)
	for _, row := range load(t, nil).Rows() {
		if row.Name == "hook_timeout" { // it is heeded while settings are read: see the tests of package config
			continue
		}
		before := load(t, companions[row.Name])
		after := another(t, row.Name, before)
		if after == nil {
			t.Errorf("%s: give this test a value that it takes and does not have", row.Name)
			continue
		}
		if same := differences(made(t, before), made(t, before)); len(same) > 0 {
			t.Fatalf("%s: %v are different each time", row.Name, same)
		}
		// Those of the logs that the program makes before the server are its own.
		ofProgram := func(field string) bool { return read[strings.TrimPrefix(field, ".")] }
		if len(differences(made(t, before), made(t, after))) == 0 && !slices.ContainsFunc(differences(*before, *after), ofProgram) {
			t.Errorf("%s: nothing is different", row.Name)
		}
	}
}

// companions are what a setting needs to be allowed, or to have a meaning.
var companions = map[string][]string{
	"keyfile":                           {"certfile=cert.pem"},
	"verify_client":                     {"ca_certs=ca.pem", "protocols=https"},
	"log_syslog_to":                     {"log_syslog=on"},
	"log_syslog_prefix":                 {"log_syslog=on"},
	"log_syslog_facility":               {"log_syslog=on"},
	"disable_redirect_access_to_syslog": {"log_syslog=on"},
}

// values are of all kinds; each setting takes one of them that it does not have.
var values = []string{
	"on", "off", "7", "70", "1h", "2MiB", "100KiB", "127.0.0.1:9001", "10.0.0.0/8", "/elsewhere", "/api=other:app", "name=value", "text/css", "gzip", "h1", "https",
	"json", "debug", "wsgi", "asgi", "uvloop", "required", "TLSv1_3", "v1", "refuse", "forwarded", "local0", "20/s:50", "takeover", "uwsgi",
	"http://127.0.0.1:4318", "udp://127.0.0.1:5514", "X-Scheme=https", "django=debug", "PATH_INFO", "elsewhere", "twenty-characters-long", "batch",
}

// existing are values of settings that name what has to be there.
var existing = map[string]string{"env_file": "/dev/null", "tmp_upload_dir": "/var", "user": "nobody", "worker_rlimit": "CORE=0"}

// another loads the same settings as before, but for one.
func another(t *testing.T, name string, before *config.Config) *config.Config {
	t.Helper()
	all := values
	if value := existing[name]; value != "" {
		all = []string{value}
	}
	for _, value := range all {
		given := append([]string{name + "=" + value}, companions[name]...)
		cfg, err := config.Load(input(t, given))
		if err == nil && valueOf(cfg, name) != valueOf(before, name) {
			return cfg
		}
	}
	return nil
}

func valueOf(cfg *config.Config, name string) string {
	if name == "status_token" { // which rows mask
		return cfg.Server.Status.Token
	}
	for _, row := range cfg.Rows() {
		if row.Name == name {
			return row.Value
		}
	}
	return ""
}

func load(t *testing.T, given []string) *config.Config {
	t.Helper()
	cfg, err := config.Load(input(t, given))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// input is that of a server with an application and another server behind it.
func input(t *testing.T, given []string) config.Input {
	in := config.Input{Dir: t.TempDir(), Environ: []string{"ASTERI_APP=app:app", "ASTERI_MOUNT=/up=http://127.0.0.1:9"}}
	for _, s := range given {
		name, value, _ := strings.Cut(s, "=")
		in.Environ = append(in.Environ, "ASTERI_"+strings.ToUpper(name)+"="+value)
	}
	return in
}

// made is what a server is made with.
func made(t *testing.T, cfg *config.Config) any {
	t.Helper()
	p := &program{cfg: cfg, logs: &logs{recent: status.NewLog()}, token: cfg.Server.Status.Token, signals: new(signals)}
	p.live.Store(cfg)
	c, err := p.settings(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Logs.Recent = nil // which is another one each time
	return c
}

// differences returns the names of the fields at which two values of a type differ.
// Functions count as equal.
func differences(a, b any) (fields []string) {
	var walk func(at string, a, b reflect.Value)
	walk = func(at string, a, b reflect.Value) {
		switch a.Kind() {
		case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		case reflect.Pointer, reflect.Interface:
			if a.IsNil() != b.IsNil() || !a.IsNil() && a.Elem().Type() != b.Elem().Type() {
				fields = append(fields, at)
			} else if !a.IsNil() {
				walk(at, a.Elem(), b.Elem())
			}
		case reflect.Struct:
			for i := range a.NumField() {
				walk(at+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
			}
		case reflect.Slice, reflect.Array:
			if a.Len() != b.Len() {
				fields = append(fields, at)
				return
			}
			for i := range a.Len() {
				walk(at, a.Index(i), b.Index(i))
			}
		default:
			if fmt.Sprint(a) != fmt.Sprint(b) {
				fields = append(fields, at)
			}
		}
	}
	walk("", reflect.ValueOf(a), reflect.ValueOf(b))
	return fields
}

// fieldsRead are the fields of settings that the program itself looks at.
func fieldsRead(t *testing.T) map[string]bool {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := make(map[string]bool)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "cfg" {
					read[s.Sel.Name] = true
				}
			}
			return true
		})
	}
	return read
}
