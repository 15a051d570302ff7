package python

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/loop"
)

// fakeVariable makes this test program a worker; its value is not used.
const fakeVariable = "ASTERI_TEST_FAKE_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(fakeVariable) != "" {
		os.Exit(fakeWorker())
	}
	if dir := os.Getenv(frontVariable); dir != "" {
		os.Exit(frontProgram(dir))
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// eventually waits until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not happen: " + what)
		}
	}
}

// server is an engine that serves a pool on a port of its own.
type server struct {
	t    *testing.T
	eng  *loop.Engine
	pool *Pool
	log  *logtest.Text
	addr string
	http *http.Client
}

// serve starts a server. loops is the number of event loops; with two, requests
// and links live on different ones.
func serve(t *testing.T, loops int, cfg Config) *server {
	t.Helper()
	leakcheck.Check(t)
	s := &server{t: t, log: new(logtest.Text)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	logger := s.log.Logger()
	cfg.Logger = logger
	if cfg.TempDir == "" {
		cfg.TempDir = t.TempDir()
	}
	var err error
	if s.eng, err = loop.New(loop.Config{Loops: loops, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	s.eng.Start()
	t.Cleanup(func() { s.eng.Close() })
	if s.pool, err = Start(s.eng, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	ln, err := s.eng.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{http1.Protocol(s.pool, asteri.WithLogger(logger))}})
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.http = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: patience}}
	return s
}

func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.pool.Stop(ctx)
}

func (s *server) ready() Info {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	info, err := s.pool.Ready(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return info
}

// serveFake starts a server whose workers are fake ones.
func serveFake(t *testing.T, loops int, cfg Config) *server {
	t.Helper()
	fake(&cfg)
	s := serve(t, loops, cfg)
	s.ready()
	return s
}

func fake(cfg *Config) {
	cfg.Interpreter, _ = os.Executable()
	// The race detector would make each process sleep a second at its exit.
	cfg.Env = append(cfg.Env, fakeVariable+"=1", "GORACE=atexit_sleep_ms=0")
	if cfg.App == "" {
		cfg.App = "ok"
	}
}

// reply is what a client got. err is set if the response did not end cleanly.
type clientReply struct {
	status int
	header http.Header
	body   []byte
	err    error
}

func (s *server) do(method, path string, body io.Reader) clientReply {
	req, err := http.NewRequest(method, "http://"+s.addr+path, body)
	if err != nil {
		return clientReply{err: err}
	}
	return s.send(req)
}

func (s *server) send(req *http.Request) clientReply {
	resp, err := s.http.Do(req)
	if err != nil {
		return clientReply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return clientReply{resp.StatusCode, resp.Header, b, err}
}

func (s *server) get(path string) clientReply { return s.do("GET", path, nil) }

// expect fails the test unless the answer is as it should be.
func (s *server) expect(r clientReply, status int, body string) {
	s.t.Helper()
	if r.err != nil || r.status != status || body != "" && string(r.body) != body {
		s.t.Errorf("got %d %.200q, %v; want %d %.200q", r.status, r.body, r.err, status, body)
	}
}

// async sends a request and returns where its answer comes.
func (s *server) async(method, path string) <-chan clientReply {
	c := make(chan clientReply, 1)
	go func() { c <- s.do(method, path, nil) }()
	return c
}

func (s *server) wait(c <-chan clientReply) clientReply {
	s.t.Helper()
	select {
	case r := <-c:
		return r
	case <-time.After(patience):
		s.t.Fatal("no answer")
		panic("unreachable")
	}
}

// gate returns the path of a request that is answered "passed" once open was
// called.
func (s *server) gate() (path string, open func()) {
	file := filepath.Join(s.t.TempDir(), "open")
	return "/gate?" + file, func() {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			s.t.Error(err)
		}
	}
}

// hang returns the path of a request that is never answered.
func (s *server) hang() string { return "/hang?" + filepath.Join(s.t.TempDir(), "hang") }

// begunFile ends the name of the file that says that the worker has begun with a request
// of gate or hang: until then the pool may take it back.
const begunFile = ".begun"

// hasBegun waits for it.
func (s *server) hasBegun(path string) {
	s.t.Helper()
	_, file, _ := strings.Cut(path, "?")
	eventually(s.t, "the worker has begun", func() bool {
		_, err := os.Stat(file + begunFile)
		return err == nil
	})
}

// inFlight returns how many requests the workers have.
func (s *server) inFlight() int {
	n := 0
	for _, w := range s.pool.Snapshot().Workers {
		n += w.InFlight
	}
	return n
}

// dial opens a connection and sends raw bytes on it.
func (s *server) dial(raw string) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, raw); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// worker returns the status of the only worker that is in one of the states, or
// false.
func (s *server) worker(states ...string) (WorkerStatus, bool) {
	var found []WorkerStatus
	for _, w := range s.pool.Snapshot().Workers {
		for _, st := range states {
			if w.State == st {
				found = append(found, w)
			}
		}
	}
	if len(found) != 1 {
		return WorkerStatus{}, false
	}
	return found[0], true
}

// waitFor waits for the only worker to be in a state.
func (s *server) waitFor(states ...string) WorkerStatus {
	s.t.Helper()
	var w WorkerStatus
	eventually(s.t, fmt.Sprint("one worker ", states), func() (ok bool) {
		w, ok = s.worker(states...)
		return ok
	})
	return w
}

// count returns how many workers are in one of the states.
func (s *server) count(states ...string) int {
	n := 0
	for _, w := range s.pool.Snapshot().Workers {
		for _, st := range states {
			if w.State == st {
				n++
			}
		}
	}
	return n
}

// app writes a Python module into a new directory and returns its path.
func app(t *testing.T, source string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	writeApp(t, dir, source)
	return dir
}

func writeApp(t *testing.T, dir, source string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
}
