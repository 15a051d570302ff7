//go:build linux

package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// besideAnother writes two applications, the second of which cannot be imported, and
// returns the arguments that serve both.
func besideAnother(t *testing.T, dir string) []string {
	t.Helper()
	writeVersion(t, dir, "good")
	breakIt(t, dir, "raise LookupError('no database')")
	return []string{"--python", python, "--chdir", dir, "versioned:app", "--mount", "/two=broken:app"}
}

// breakIt writes the second application.
func breakIt(t *testing.T, dir, source string) {
	t.Helper()
	fresh := filepath.Join(dir, "broken.new")
	err := os.WriteFile(fresh, []byte(source+"\n"), 0o600)
	if err == nil {
		err = os.Rename(fresh, filepath.Join(dir, "broken.py"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mended is what the second application should have been.
const mended = "from versioned import app"

// TestOneOfSeveralDoesNotStart: it answers 503 while the others serve, says why where an
// operator looks, and serves by itself once it can.
func TestOneOfSeveralDoesNotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, path := controlled(t, append(besideAnother(t, dir), "--status-token", "sixteen-letters-and-more")...)
	c := s.over(t, "http")
	down := c.get("/two/")
	down.want(t, 503)
	if down.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	equal(t, "the other", versionOf(c), "good")
	c.get("/readyz").want(t, 200)
	for _, want := range []string{"Traceback", "LookupError: no database", "next_try_in", "/two is broken:app, which cannot be started"} {
		s.awaitLog(want)
	}
	type document struct {
		Mounts []struct{ At, State, Error string }
	}
	public := decode[document](t, c.get("/asteri-status.json")).Mounts
	full := decode[document](t, c.get("/asteri-status.json", "Authorization: Bearer sixteen-letters-and-more")).Mounts
	if len(public) != 1 || public[0].State != "FAILED" || public[0].Error != "" {
		t.Errorf("public: %+v", public)
	}
	if len(full) != 1 || full[0].At != "/two" || full[0].State != "FAILED" || !strings.Contains(full[0].Error, "no database") {
		t.Errorf("full: %+v", full)
	}
	if page := c.get("/asteri-status").want(t, 200); !strings.Contains(page, "/two answers 503: broken:app cannot be started") {
		t.Error("the page does not say it")
	}
	if out := obeyed(t, path, "status"); !strings.Contains(out, "/two  broken:app  answers 503: ") {
		t.Errorf("status:\n%s", out)
	}

	var load sync.WaitGroup
	var stop atomic.Bool
	load.Go(func() { // others notice nothing of tries
		other := s.over(t, "http")
		for !stop.Load() {
			if a, err := other.try(other.request("GET", "/", nil)); err != nil || a.StatusCode != 200 {
				t.Errorf("the other: %v, %v", a.Response, err)
				return
			}
		}
	})
	breakIt(t, dir, "raise LookupError('no table')")
	s.awaitLog("no table") // it is tried again, and the new traceback is told
	breakIt(t, dir, mended)
	s.eventually("it serves after all", func() bool { return c.get("/two/").StatusCode == 200 })
	stop.Store(true)
	load.Wait()
	s.awaitLog("The application is there after all")
	if again := decode[document](t, c.get("/asteri-status.json")).Mounts; again[0].State != "" {
		t.Errorf("still %+v", again)
	}
	equal(t, "scale", obeyed(t, path, "scale", "2", "--app", "/two"), "/two  2 workers\n")
	equal(t, "tracebacks", strings.Count(s.log.text(), "LookupError: no database\n"), 1)
}

// TestReloadOfOneThatDoesNotStart: a reload tries at once, and says how it went.
func TestReloadOfOneThatDoesNotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, path := controlled(t, besideAnother(t, dir)...)
	c := s.over(t, "http")
	breakIt(t, dir, "raise LookupError('no table')")
	refused(t, path, 1, "no table", "reload", "--app", "/two")
	c.get("/two/").want(t, 503)
	equal(t, "the other", versionOf(c), "good")
	breakIt(t, dir, mended)
	equal(t, "reload", obeyed(t, path, "reload"), "Reloaded.\n")
	c.get("/two/").want(t, 200)
	writeVersion(t, dir, "better")
	s.signal(syscall.SIGHUP)
	s.eventually("both have the new code", func() bool { return versionOf(c) == "better" && strings.HasPrefix(c.get("/two/").body, "better") })
}

// TestStopWhileOneIsTried: a try that does not end is given up with the server.
func TestStopWhileOneIsTried(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, besideAnother(t, dir)...)
	entered := filepath.Join(t.TempDir(), "entered")
	breakIt(t, dir, fmt.Sprintf("import time\nopen(%q, 'w').close()\ntime.sleep(600)", entered))
	s.eventually("it is tried again", func() bool { _, err := os.Stat(entered); return err == nil })
	s.stop()
}

// TestNoneStarts: with one application, with none of several, or with --strict-start the
// server ends as the application cannot be started.
func TestNoneStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := besideAnother(t, dir)
	for name, args := range map[string][]string{
		"one":                  {"--python", python, "--chdir", dir, "broken:app"},
		"all":                  {"--python", python, "--chdir", dir, "--mount", "/one=broken:app", "--mount", "/two=broken:app"},
		"strict":               append(args[:len(args):len(args)], "--strict-start"),
		"strict and reloading": append(args[:len(args):len(args)], "--strict-start", "--reload"),
	} {
		_, log, code := execute(t, args...)
		if code != 3 || !strings.Contains(log, "LookupError: no database") || !strings.Contains(log, "The application cannot be started: ") {
			t.Errorf("%s: %d\n%s", name, code, log)
		}
	}
}
