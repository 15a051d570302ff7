package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/status"
)

const patience = 30 * time.Second

// orders is a Control that notes what it was told.
type orders struct {
	told    chan string
	outcome chan error // of a reload
}

func newOrders() *orders { return &orders{make(chan string, 100), make(chan error, 1)} }

func (o *orders) note(format string, args ...any) { o.told <- fmt.Sprintf(format, args...) }

func (o *orders) Reload(app string) <-chan error { o.note("reload %s", app); return o.outcome }
func (o *orders) Scale(app string, delta int) ([]status.Staffing, error) {
	o.note("scale %s by %d", app, delta)
	return []status.Staffing{{App: "/", Workers: 3}}, nil
}

func (o *orders) Resize(app string, n int) ([]status.Staffing, error) {
	if app == "/none" {
		return nil, &status.AppError{Name: app, Known: []string{"/"}}
	}
	o.note("scale %s to %d", app, n)
	return []status.Staffing{{App: "/", Workers: n}}, nil
}
func (o *orders) Restart(pid int) error { o.note("restart %d", pid); return nil }
func (o *orders) Kill(pid int) error {
	if pid != 7 {
		return errors.New("no such worker")
	}
	o.note("kill %d", pid)
	return nil
}
func (o *orders) Stacks(context.Context, int) (map[string]string, error) { return nil, nil }
func (o *orders) Stop(drain bool) error                                  { o.note("stop %t", drain); return nil }
func (o *orders) Upgrade(context.Context) (int, error)                   { o.note("upgrade"); return 7, nil }
func (o *orders) LogLevel(l string) (string, error)                      { return "info" + l, nil }

func serve(t *testing.T, o *orders, timeout time.Duration) (path string, s *Server) {
	t.Helper()
	leakcheck.Check(t)
	path = filepath.Join(t.TempDir(), "c.sock")
	s, err := Listen(path, Options{
		Control: o, Logger: slog.New(slog.DiscardHandler), RequestTimeout: timeout,
		Document: func() *status.Report {
			return &status.Report{InFlight: 2, Workers: []status.Worker{{PID: 7}, {PID: 8}}, Requests: []status.Request{{Path: "/x"}}}
		},
		Stack: func(_ context.Context, pid int) (string, error) {
			if pid == 8 {
				return "", errors.New("it hangs")
			}
			return fmt.Sprintf("stack of %d", pid), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return path, s
}

// exchange sends bytes as they are, and returns the line that comes.
func exchange(t *testing.T, path, request string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, request) // who is refused is answered all the same
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	if n := bytes.Count(text, []byte("\n")); n != 1 || text[len(text)-1] != '\n' {
		t.Errorf("%.60q: not one line: %q", request, text)
	}
	return string(text)
}

func TestCommands(t *testing.T) {
	o := newOrders()
	path, _ := serve(t, o, patience)
	o.outcome <- nil
	for _, tc := range []struct{ request, told, result string }{
		{`"reload"`, "reload ", `{}`},
		{`"scale","app":"/a","workers":4`, "scale /a to 4", `{"scaled":[{"app":"/","workers":4}]}`},
		{`"add-worker"`, "scale  by 1", `{"scaled":[{"app":"/","workers":3}]}`},
		{`"remove-worker","app":"/a"`, "scale /a by -1", `{"scaled":[{"app":"/","workers":3}]}`},
		{`"restart-worker","pid":7`, "restart 7", `{}`},
		{`"kill-worker","pid":7`, "kill 7", `{}`},
		{`"drain"`, "stop true", `{}`},
		{`"stop"`, "stop false", `{}`},
		{`"log-level"`, "", `{"level":"info"}`},
		{`"log-level","level":"debug"`, "", `{"level":"infodebug"}`},
		{`"stacks"`, "", `{"stacks":[{"pid":7,"text":"stack of 7"},{"pid":8,"error":"it hangs"}]}`},
		{`"stacks","pid":1`, "", `{"stacks":[{"pid":1,"text":"stack of 1"}]}`},
		{`"requests"`, "", `{"in_flight":2,"requests":[{"method":"","path":"/x","protocol":"","age_seconds":0,"state":""}]}`},
	} {
		got := exchange(t, path, `{"version":1,"command":`+tc.request+"}\n")
		if want := `{"version":1,"ok":true,"result":` + tc.result + "}\n"; got != want {
			t.Errorf("%s: got %swant %s", tc.request, got, want)
		}
		told := ""
		select {
		case told = <-o.told:
		default:
		}
		if told != tc.told {
			t.Errorf("%s: told %q, want %q", tc.request, told, tc.told)
		}
	}
	for _, command := range []string{"status", "workers"} {
		if got := exchange(t, path, `{"version":1,"command":"`+command+"\"}\n"); !strings.Contains(got, `"workers":[{"pid":7`) {
			t.Errorf("%s: %s", command, got)
		}
	}
	// Who ends the stream in place of the line has said all.
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, `{"version":1,"command":"log-level"}`); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(c); err != nil || !strings.Contains(string(text), `"level":"info"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestWhatCannotBeMeant(t *testing.T) {
	o := newOrders()
	path, _ := serve(t, o, patience)
	for request, want := range map[string]string{
		"\n":                                                        `{"code":"bad_request","message":"not a request in JSON: EOF"}`,
		"rubbish\n":                                                 `{"code":"bad_request","message":"not a request in JSON: invalid character 'r' looking for beginning of value"}`,
		"{\"command\":\"status\"}\n":                                `version 0 of the protocol is not spoken here: it must be 1`,
		`{"version":2,"command":"status"}`:                          `version 2 of the protocol`,
		`{"version":1,"command":"relaod"}`:                          `{"code":"unknown_command","message":"no such command: \"relaod\"; did you mean reload? There are add-worker, `,
		`{"version":1}`:                                             `"code":"unknown_command"`,
		`{"version":1,"command":"x","more":1}`:                      `unknown field \"more\"`,
		`{"version":1,"command":"stop"} {}`:                         `more than one request in a line`,
		`{"version":1,"command":"scale"}`:                           `scale needs a number of workers`,
		`{"version":1,"command":"kill-worker"}`:                     `kill-worker needs the process id of a worker`,
		`{"version":1,"command":"scale","workers":0}`:               `0: the number of workers must be from 1 to 4096`,
		`{"version":1,"command":"scale","workers":-1}`:              `-1: the number of workers must be from 1 to 4096`,
		`{"version":1,"command":"scale","workers":1e9}`:             `bad_request`,
		`{"version":1,"command":"scale","workers":5000}`:            `must be from 1 to 4096`,
		`{"version":1,"command":"scale","workers":2,"pid":3}`:       `scale takes no process id`,
		`{"version":1,"command":"stop","app":"/"}`:                  `stop is not about one application`,
		`{"version":1,"command":"stop","workers":1}`:                `stop takes no number of workers`,
		`{"version":1,"command":"stop","level":"info"}`:             `stop takes no level`,
		`{"version":1,"command":"stacks","pid":0}`:                  `0: a process id must be positive`,
		`{"version":1,"command":"kill-worker","pid":8}`:             `{"code":"refused","message":"no such worker"}`,
		`{"version":1,"command":"scale","workers":2,"app":"/none"}`: `{"code":"refused","message":"no application is called \"/none\"; there are /"}`,
		strings.Repeat("x", MaxRequest+1):                           `the request is longer than 4096 bytes`,
		strings.Repeat("x", 10<<20) + "\n":                          `the request is longer than 4096 bytes`,
	} {
		if !strings.HasSuffix(request, "\n") && len(request) <= MaxRequest {
			request += "\n"
		}
		got := exchange(t, path, request)
		if !strings.Contains(got, want) || !strings.HasPrefix(got, `{"version":1,"ok":false,"error":{"code":`) {
			t.Errorf("%.60q: got %.300swant %s", request, got, want)
		}
	}
	if len(o.told) > 0 {
		t.Errorf("something was done: %s", <-o.told)
	}
}

// Who says half of a message has a bound, and so have those who say nothing, all at once.
func TestSlowClients(t *testing.T) {
	path, _ := serve(t, newOrders(), 300*time.Millisecond)
	if got := exchange(t, path, `{"version":1,"comm`); !strings.Contains(got, "no complete line within 300ms") {
		t.Errorf("half a message: %s", got)
	}
	silent, s := serve(t, newOrders(), patience)
	for range MaxClients {
		c, err := net.Dial("unix", silent)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n := len(s.clients)
		s.mu.Unlock()
		if n == MaxClients {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d clients", n)
		}
	}
	r, err := Ask(silent, Request{Command: "status"}, patience)
	if err != nil || r.Error == nil || r.Error.Code != Busy {
		t.Errorf("one more: %+v, %v", r, err)
	}
	s.Close() // which waits for none of them
	if _, err := os.Lstat(silent); err == nil {
		t.Error("the socket is still there")
	}
}

// Clients that wait for a reload leave room for others, who may want it stopped.
func TestManyWaitForAReload(t *testing.T) {
	o := newOrders()
	path, s := serve(t, o, patience)
	for range MaxClients {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(`{"version":1,"command":"reload"}` + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(patience); len(s.waiting) < cap(s.waiting); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait", len(s.waiting))
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r, err := Ask(path, Request{Command: "stop"}, patience)
		if err == nil && r.OK {
			break
		}
		if time.Now().After(deadline) { // those beyond the bound are told so and leave
			t.Fatalf("stop: %+v, %v", r, err)
		}
	}
}

// What an application says is no order for the operator's terminal.
func TestMessagesAreFitForATerminal(t *testing.T) {
	if got := oneLine(errors.New("a\x1b]0;b\x07\nc\u009bd")); got != "a\uFFFD]0;b\uFFFD; c\uFFFDd" {
		t.Errorf("%q", got)
	}
}

// A reload is answered when it has ended; others are served meanwhile; and who still waits
// when the server ends is told.
func TestReloadIsWaitedFor(t *testing.T) {
	o := newOrders()
	path, s := serve(t, o, patience)
	answers := make(chan *Response, 1)
	ask := func() {
		r, err := Ask(path, Request{Command: "reload", App: "/a"}, patience)
		if err != nil {
			t.Error(err)
		}
		answers <- r
	}
	go ask()
	if told := <-o.told; told != "reload /a" {
		t.Errorf("told %q", told)
	}
	if r, err := Ask(path, Request{Command: "workers"}, patience); err != nil || !r.OK {
		t.Errorf("meanwhile: %+v, %v", r, err)
	}
	o.outcome <- errors.New("first line\nsecond line")
	if r := <-answers; r == nil || r.Error == nil || *r.Error != (Error{Failed, "first line; second line"}) {
		t.Errorf("%+v", r)
	}
	go ask()
	<-o.told
	s.Close()
	if r := <-answers; r == nil || r.Error == nil || r.Error.Code != Refused {
		t.Errorf("%+v", r)
	}
}

// The file is the server's user's alone; that of a dead server is replaced, that of a live
// one is not, and nothing that is no socket is.
func TestSocketFile(t *testing.T) {
	path, s := serve(t, newOrders(), patience)
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := Listen(path, Options{}); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), path) {
		t.Errorf("a live server's: %v", err)
	}
	s.Close()
	if _, err := Ask(path, Request{Command: "status"}, patience); !errors.Is(err, ErrNoServer) || strings.Contains(err.Error(), "\n") {
		t.Errorf("no server: %v", err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if _, err := Ask(path, Request{Command: "status"}, patience); !errors.Is(err, ErrNoServer) {
		t.Errorf("a dead server: %v", err)
	}
	s, err = Listen(path, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("a dead server's: %v", err)
	}
	s.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, Options{}); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file: %q, %v", text, err)
	}
}

// Who is neither the server's user nor root is refused, whatever the file's permissions.
func TestPeers(t *testing.T) {
	for who, want := range map[peer]bool{
		{uid: 0}: true, {uid: os.Geteuid()}: true, {uid: -1}: false, {uid: os.Geteuid() + 1}: false, {uid: 65534}: os.Geteuid() == 65534,
	} {
		if who.allowed() != want {
			t.Errorf("%+v: %t", who, !want)
		}
	}
	path, s := serve(t, newOrders(), patience)
	s.Close()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ours, err := ln.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if who, err := peerOf(ours); err != nil || who.uid != os.Getuid() {
		t.Errorf("%+v, %v", who, err)
	}
}

// FuzzRequests: whatever comes is a request or one line that says what is wrong.
func FuzzRequests(f *testing.F) {
	f.Add([]byte(`{"version":1,"command":"scale","workers":2}`))
	f.Add([]byte(`{"version":1,"command":"` + strings.Repeat("é", 50) + `"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parse(line)
		if (r == nil) == (err == nil) {
			t.Fatalf("%v, %v", r, err)
		}
		if err == nil {
			return
		}
		text, err := json.Marshal(refusal(err))
		if err != nil || bytes.ContainsRune(text, '\n') {
			t.Fatalf("%s, %v", text, err)
		}
	})
}
