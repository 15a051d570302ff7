package python

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// heard is a log that goroutines write to.
type heard struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}

var confHooks = map[string]int{"on_starting": 1, "when_ready": 1, "child_exit": 2, "post_fork": 2}

// openConf executes a conf file. What it logs is returned too.
func openConf(t *testing.T, text string, timeout time.Duration) (*Conf, *heard) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gunicorn.conf.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := OpenConf(Config{Interpreter: "python3"}, ConfFile{
		Location: "gunicorn.conf.py", Dir: dir, Names: []string{"workers", "bind", "logger_class", "post_fork"}, Hooks: confHooks,
		Keep: []string{"on_starting", "when_ready", "child_exit"}, Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	log := new(heard)
	c.Log(slog.New(slog.NewTextHandler(log, nil)))
	c.Configure(map[string]any{"workers": 2, "bind": []string{":1"}, "timeout": 30, "loglevel": "info", "proc_name": nil, "default_proc_name": "app", "max_requests": 0}, dir, []string{"FROM=front"})
	return c, log
}

func TestConfSays(t *testing.T) {
	c, _ := openConf(t, "import os\nworkers = 1 + 2\nbind = [\n    'a', 'b']\nclass L: pass\nlogger_class = L\nhelper = 5\n_private = 6\ndef post_fork(server, worker): pass\n", time.Minute)
	if c.Values["workers"] != 3.0 || c.Odd["logger_class"] != "type" || c.Others["helper"] != 7 || c.Others["_private"] != 0 || c.Lines["bind"] != 3 || !c.Has("post_fork") || c.Has("when_ready") {
		t.Errorf("%+v", c)
	}
	if c.calls != nil {
		t.Error("an interpreter is kept for a hook of workers")
	}
	c.Call("when_ready") // is none, and nobody waits
}

func TestConfHooksRunInOrder(t *testing.T) {
	c, log := openConf(t, "import os\ndef on_starting(server):\n    server.log.info('starting %s', os.environ['FROM'])\ndef child_exit(server, worker):\n    server.log.info('gone %s %s', worker.pid, worker.exitcode)\n", time.Minute)
	c.Post("on_starting")
	for pid := range 50 {
		c.Post("child_exit", 1, pid, -9)
	}
	c.Close()
	text := log.String()
	if n := strings.Count(text, "gone "); n != 50 || strings.Index(text, "starting front") > strings.Index(text, `"gone 0 -9"`) || !strings.Contains(text, `"gone 49 -9"`) {
		t.Errorf("%d:\n%s", n, text)
	}
	c.Post("child_exit", 1, 1, 1) // after the end: nothing
}

func TestConfQueueIsBounded(t *testing.T) {
	c, log := openConf(t, "import time\ndef on_starting(server):\n    time.sleep(600)\ndef child_exit(server, worker):\n    pass\n", time.Second)
	c.Post("on_starting")
	for pid := range confQueue + 2 {
		c.Post("child_exit", 1, pid, 0)
	}
	if !strings.Contains(log.String(), "A hook was not called: too many wait") {
		t.Errorf("%s", log)
	}
	c.Close()
	if !strings.Contains(log.String(), "A hook has not returned within 1s") {
		t.Errorf("%s", log)
	}
}

// TestConfHelpersThatDie: one after the other is started, but not for ever.
func TestConfHelpersThatDie(t *testing.T) {
	c, log := openConf(t, "import os\ndef when_ready(server):\n    os._exit(5)\n", time.Minute)
	for range mostDeaths + 2 {
		c.Call("when_ready")
	}
	text := log.String()
	if died, refused := strings.Count(text, "exited with status 5"), strings.Count(text, "has ended too often"); died != mostDeaths || refused != 2 {
		t.Errorf("%d, %d:\n%s", died, refused, text)
	}
}

// TestConfHelperEndsBetweenHooks: the next hook runs all the same.
func TestConfHelperEndsBetweenHooks(t *testing.T) {
	c, log := openConf(t, "def when_ready(server):\n    server.log.info('ready')\n", time.Minute)
	c.helper.proc.Kill()
	<-c.helper.proc.Exited
	c.Call("when_ready")
	c.Close()
	if text := log.String(); !strings.Contains(text, "has ended: it was killed by signal 9 (killed). Another one is started") || !strings.Contains(text, "msg=ready") {
		t.Errorf("%s", text)
	}
}

func TestConfThatFloods(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.py"), []byte("workers = 'x' * (2 << 20)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenConf(Config{Interpreter: "python3"}, ConfFile{Location: "c.py", Dir: dir, Names: []string{"workers"}, Timeout: time.Minute})
	var wrong *ConfError
	if !errors.As(err, &wrong) || wrong.Message != "its settings take more than 1048576 bytes" {
		t.Errorf("%v", err)
	}
}
