//go:build linux

package suite

import (
	byteorder "encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the time of day, and stops of the server itself, do to deadlines: nothing.

var clockModels = []struct{ app, model string }{
	{"counting:wsgi", "sync:2"}, {"counting:wsgi", "gthread:2"}, {"counting:wsgi", "gevent:2"}, {"counting:asgi", "asgi:2"},
	{"counting:native()", "tornado:2"}, {"counting:native()", "gtornado:2"},
}

// stepped is the server, and a library for its workers, whose time of day is stepped by
// what a file says. Go asks the kernel without a library's help, so the program is built
// with a few lines of its runtime changed.
var stepped = sync.OnceValues(func() (tools struct{ binary, library string }, err error) {
	dir := filepath.Join(scratch, "stepped")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return tools, err
	}
	overlay, err := clockOverlay(dir)
	if err != nil {
		return tools, err
	}
	tools.binary, tools.library = filepath.Join(dir, "asteri-loop"), filepath.Join(dir, "clock.so")
	if err := run(repository, "go", "build", "-pgo=off", "-overlay", overlay, "-ldflags=-checklinkname=0", "-o", tools.binary, "./cmd/asteri-loop"); err != nil {
		return tools, err
	}
	return tools, run("testdata/clock", "cc", "-O1", "-shared", "-fPIC", "-o", tools.library, "preload.c", "-ldl")
})

// clockOverlay writes what go build takes for other files, and returns its path.
func clockOverlay(dir string) (string, error) {
	data, err := filepath.Abs("testdata/clock")
	if err != nil {
		return "", err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(string(goroot)), "src", "runtime")
	name, was, is := "timestub.go", "sec, nsec = walltime()\n", "sec, nsec = walltime()\n\tif stepClock != nil {\n\t\tsec += *stepClock\n\t}\n"
	if runtime.GOARCH == "amd64" {
		name, was = "time_linux_amd64.s", "MOVQ\t16(SP), AX\t// realtime sec\n"
		is = was + "\tMOVQ\truntime·stepClock(SB), R11\n\tTESTQ\tR11, R11\n\tJEQ\tunstepped\n\tADDQ\t(R11), AX\nunstepped:\n"
	}
	text, err := os.ReadFile(filepath.Join(source, name))
	if err != nil {
		return "", err
	}
	if strings.Count(string(text), was) != 1 {
		return "", fmt.Errorf("the runtime of %s tells the time in another way: %s has no %q", runtime.Version(), name, was)
	}
	changed := filepath.Join(dir, name)
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), was, is, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(source, name):                                     changed,
		filepath.Join(source, "stepclock.go"):                           filepath.Join(data, "runtime.txt"),
		filepath.Join(repository, "cmd", "asteri-loop", "stepclock.go"): filepath.Join(data, "main.txt"),
	}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, overlay, 0o600)
}

// TestClockSteps sets the time of day of server and workers forward and back, by more than
// any time limit, while all kinds of things wait.
func TestClockSteps(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the runtime's clock is changed for amd64 and arm64 only")
	}
	t.Parallel()
	tools, err := stepped()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range clockModels {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			t.Parallel()
			clock := filepath.Join(t.TempDir(), "clock")
			file, err := os.OpenFile(clock, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			step := func(seconds int64) { // in place: others have it mapped
				if _, err := file.WriteAt(byteorder.NativeEndian.AppendUint64(nil, uint64(seconds)), 0); err != nil {
					t.Fatal(err)
				}
			}
			step(0)
			s := launchServer(t, launch{
				binary: tools.binary, env: []string{"SUITE_CLOCK=" + clock},
				args: app(test.app, test.model, "-t", "5", "--threads", "3", "--keep-alive", "20", "--header-timeout", "20", "--limit-requests", "1000/s", "--ws-ping-interval", "3", "--ws-ping-timeout", "5",
					"-e", "SUITE_CLOCK="+clock, "-e", "LD_PRELOAD="+tools.library),
			})
			s.awaitReady()
			before := s.workers()
			for i, seconds := range []int64{70, -3600, 7200, 0} {
				s.whatWaits(t, fmt.Sprint("step", i), test.model, func() {
					step(seconds)
					s.tellsTime(t, time.Now().Unix()+seconds)
					time.Sleep(3 * time.Second) // for watches to go wrong: no more than a third of any limit
				})
			}
			s.unharmed(t, before)
		})
	}
}

// TestStoppedServer stops the server's process for longer than its time limits. What came
// due meanwhile gets its time again.
func TestStoppedServer(t *testing.T) {
	t.Parallel()
	for _, test := range clockModels {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(test.app, test.model, "-t", "2", "--threads", "3", "--keep-alive", "5", "--header-timeout", "5",
				"--ws-ping-interval", "1", "--ws-ping-timeout", "5")...)
			before := s.workers()
			s.whatWaits(t, "stop", test.model, func() {
				s.signal(syscall.SIGSTOP)
				time.Sleep(8 * time.Second) // what is tested: four times the limit
				s.signal(syscall.SIGCONT)
			})
			s.whatWaits(t, "afterwards", test.model, func() {})
			s.unharmed(t, before)
		})
	}
}

// TestStoppedBoot stops the server while a worker starts, for longer than that may take.
func TestStoppedBoot(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	s := launchServer(t, launch{args: app("gated:app", "sync", "-e", "GATE="+gate, "--boot-timeout", "6")})
	s.eventually("a worker imports the application", func() bool { return len(lines([]string{gate + ".waiting"})) > 0 })
	s.signal(syscall.SIGSTOP)
	time.Sleep(8 * time.Second) // what is tested: more than the limit
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGCONT)
	s.awaitReady()
	s.over(t, "http").get("/").want(t, 200)
	equal(t, "workers that were started", len(lines([]string{gate + ".waiting"})), 1)
}

// whatWaits has requests run, others behind them, a connection that is idle, one in the
// middle of a head, and a WebSocket if the model has them, while something happens.
func (s *server) whatWaits(t *testing.T, name, model string, happens func()) {
	t.Helper()
	idle, halfway := s.in(t).dial(), s.in(t).dial()
	exchangeOn(t, idle, "GET /time HTTP/1.1\r\nHost: x\r\n\r\n")
	fmt.Fprint(halfway, "GET /time HTTP/1.1\r\nHo")
	echo := func(string) {}
	if strings.HasPrefix(model, "asgi") {
		w := s.in(t).over(t, "http").socket(s.in(t), "/")
		echo = func(word string) {
			w.Text(word)
			for got := w.Next(); got != "text "+word; got = w.Next() {
				if got != "ping " {
					t.Fatalf("%s: %q on a WebSocket", name, got)
				}
			}
		}
	}
	echo("before")
	var all sync.WaitGroup
	var files []string
	for i := range 4 {
		file := filepath.Join(t.TempDir(), fmt.Sprint(name, i))
		files = append(files, file)
		all.Go(func() {
			c := s.in(t).over(t, "http")
			if a, err := c.try(c.request("GET", "/slow?"+file, nil)); err != nil || a.StatusCode != 200 {
				t.Errorf("%s: a request that took a second: %s %v", name, a.status(), err)
			}
		})
	}
	s.eventually("a request runs", func() bool { return len(lines(files)) > 0 })
	happens()
	all.Wait()
	if n := len(lines(files)); n != len(files) {
		t.Errorf("%s: %d requests were run %d times", name, len(files), n)
	}
	exchangeOn(t, idle, "GET /time HTTP/1.1\r\nHost: x\r\n\r\n")
	exchangeOn(t, halfway, "st: x\r\n\r\n")
	echo("after")
}

func (a answer) status() string {
	if a.Response == nil {
		return "no answer"
	}
	return a.Status
}

// exchangeOn sends what is left of a request and wants an answer.
func exchangeOn(t *testing.T, c interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
}, text string) {
	t.Helper()
	if _, err := fmt.Fprint(c, text); err != nil {
		t.Error(err)
	}
	reply := make([]byte, 4096)
	if n, err := c.Read(reply); err != nil || !strings.HasPrefix(string(reply[:n]), "HTTP/1.1 200") {
		t.Errorf("on a connection that was open: %q, %v", reply[:n], err)
	}
}

// lines are those of all files that there are.
func lines(files []string) (all []string) {
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may not be there yet
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}

// tellsTime wants workers and server to have a time of day: else nothing is tested.
func (s *server) tellsTime(t *testing.T, want int64) {
	t.Helper()
	near := func(got int64) bool { return got > want-60 && got < want+60 }
	a := s.in(t).over(t, "http").get("/time")
	if told, err := strconv.ParseInt(a.body, 10, 64); err != nil || !near(told) {
		t.Errorf("the worker's time is %s, want %d", a.body, want)
	}
	if date, err := time.Parse(time.RFC1123, a.Header.Get("Date")); err != nil || !near(date.Unix()) {
		t.Errorf("the server's time is %s, want %v", a.Header.Get("Date"), time.Unix(want, 0).UTC())
	}
}

// unharmed wants the workers that there were, and no request answered for lack of time.
func (s *server) unharmed(t *testing.T, before []int) {
	t.Helper()
	equal(t, "the workers", fmt.Sprint(s.workers()), fmt.Sprint(before))
	for _, sign := range []string{"worker killed", "worker died", "replacing worker", "timed out", "no sign of life"} {
		if strings.Contains(s.log.text(), sign) {
			t.Errorf("the log holds %q", sign)
		}
	}
}
