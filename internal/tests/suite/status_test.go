//go:build linux

package suite

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/asteri/asteri-loop/status"
)

const (
	suiteToken = "0123456789-suite-token"
	withToken  = "Authorization: Bearer " + suiteToken
)

// document returns the status as who has the headers sees it.
func (c *client) document(headers ...string) (doc status.Report) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.get("/asteri-status.json", headers...).want(c.t, 200)), &doc); err != nil {
		c.t.Fatal(err)
	}
	return doc
}

// bareNginx passes everything on as it does if nothing more is said.
const bareNginx = `
daemon off;
pid DIR/pid;
error_log DIR/error.log;
worker_processes 1;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
	server {
		listen unix:DIR/front;
		location / { proxy_pass http://BACKEND; }
	}
}
`

// TestStatusBehindNginx: clients of a proxy on this machine have its address, and are
// not taken for it. Who has the token needs no address.
func TestStatusBehindNginx(t *testing.T) {
	t.Parallel()
	path := find(t, "nginx")
	s := start(t, app("wsgi_probe:app", "sync", "--status-token", suiteToken)...)
	owner, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	c := runProxy(t, s, bareNginx, func(conf, dir string) *exec.Cmd {
		return exec.Command(path, "-c", conf, "-p", dir, "-g", "user "+owner.Username+";")
	})
	c.get("/environ").want(t, 200) // it does reach the server
	for _, p := range []string{"/asteri-status", "/asteri-status.json", "/asteri-status/events", "/asteri-status/logs", "/asteri-status/x"} {
		body := c.get(p).want(t, 403)
		if strings.Contains(body, "pid") {
			t.Errorf("%s tells %q", p, body)
		}
	}
	for _, p := range []string{"/livez", "/readyz", "/metrics"} {
		if body := c.get(p).want(t, 200); body != hex.EncodeToString([]byte(p)) {
			t.Errorf("%s is not the application's: %q", p, body)
		}
	}
	if doc := c.document(withToken); doc.Access != "full" {
		t.Errorf("with the token: %s", doc.Access)
	}
	s.over(t, "http").get("/asteri-status.json").want(t, 200)
}

// TestStatusWhileWorkersHang: all is answered though no worker answers anything.
func TestStatusWhileWorkersHang(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "gthread", "-w", "2", "--threads", "2", "--queue-size", "4", "--status-token", suiteToken)...)
	g := newGate(t)
	var held []*pending
	busy := s.over(t, "http")
	for range 4 {
		held = append(held, s.hold(busy, g))
	}
	waiting := busy.send("GET", "/pid")
	for _, scheme := range []string{"http", "https", "h2", "h2c"} {
		c := s.over(t, scheme)
		s.eventually("all requests are shown", func() bool { return len(c.document(withToken).Requests) == 5 })
		c.get("/livez").want(t, 200)
		if page := c.get("/asteri-status", withToken).want(t, 200); !strings.Contains(page, "/hold") {
			t.Error("the page does not show the requests")
		}
	}
	c := s.over(t, "http")
	running := map[int]int{}
	for _, r := range c.document(withToken).Requests {
		if r.State == "RUNNING" {
			running[r.Worker]++
		}
	}
	if len(running) != 2 || len(c.document().Requests) != 0 {
		t.Errorf("running at %v", running)
	}
	for pid := range running {
		if stack := c.get("/asteri-status/stack?pid="+strconv.Itoa(pid), withToken).want(t, 200); !strings.Contains(stack, "faults.py") {
			t.Errorf("stack of %d: %s", pid, stack)
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	}
	if doc := c.document(withToken); len(doc.Requests) != 5 || doc.Workers[0].State != "BUSY" {
		t.Errorf("stopped workers: %+v", doc.Requests)
	}
	for pid := range running {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	g.open()
	for _, p := range append(held, waiting) {
		p.answer().want(t, 200)
	}
	s.eventually("no request is left", func() bool { return c.document().InFlight == 0 })
}

// TestStatusActions: what may be asked for with the token.
func TestStatusActions(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--status-token", suiteToken)...)
	c := s.over(t, "http")
	act := func(form string) answer {
		return c.do("POST", "/asteri-status/action", strings.NewReader(form), withToken, "Content-Type: application/x-www-form-urlencoded")
	}
	idle := func() (pids []int) {
		for _, w := range c.document().Workers {
			if w.State == "IDLE" {
				pids = append(pids, w.PID)
			}
		}
		return pids
	}
	before := idle()
	act("action=scale-up").want(t, 202)
	s.eventually("there are two", func() bool { return len(idle()) == 2 })
	act("restart="+strconv.Itoa(before[0])).want(t, 202)
	s.eventually("one was replaced", func() bool {
		now := idle()
		return len(now) == 2 && len(c.document().Workers) == 2 && now[0] != before[0] && now[1] != before[0]
	})
	act("restart="+strconv.Itoa(before[0])).want(t, 409)
	act("action=scale-down").want(t, 202)
	s.eventually("there is one", func() bool { return len(idle()) == 1 })
	before = idle()
	act("action=reload").want(t, 202)
	s.awaitLog("Reloaded")
	s.eventually("it is another", func() bool { now := idle(); return len(now) == 1 && now[0] != before[0] })
	for _, what := range []string{"scale-up", "restart", "reload"} {
		s.awaitLog("Asked for on the status page action=" + what)
	}
}

// TestStatusAdmin: at the admin listener nobody asks for a token, and there is nothing
// else.
func TestStatusAdmin(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "admin")
	s := start(t, app("wsgi_probe:app", "sync", "--admin-listen", "unix:"+socket, "--disable-dashboard")...)
	admin := *s
	admin.addr = socket
	c := admin.over(t, "http")
	if doc := c.document(); doc.Access != "full" || len(doc.Configuration) == 0 {
		t.Errorf("%s", doc.Access)
	}
	c.get("/environ").want(t, 404)
	c.get("/livez").want(t, 200)
	const path = "/asteri-status"
	if body := s.over(t, "http").get(path).want(t, 200); body != hex.EncodeToString([]byte(path)) {
		t.Errorf("%s is not the application's: %q", path, body)
	}
}

// TestStatusToken: one that nobody chose is in a file of the user's, which goes with
// the server; a graceful stop does not wait for those who look on.
func TestStatusToken(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--graceful-timeout", "1m")...)
	s.awaitLog(`Status page: http://127\.0\.0\.1:\d+/asteri-status token_file=`)
	found, err := filepath.Glob(filepath.Join(s.tmp, "*", "*.token"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	token := strings.TrimSpace(fileText(t, found[0]))
	if strings.Contains(s.log.text(), token) {
		t.Error("the token is in the log")
	}
	c := s.over(t, "http")
	if doc := c.document("Authorization: Bearer " + token); doc.Access != "full" {
		t.Errorf("%s", doc.Access)
	}
	response, err := c.http.Do(c.request("GET", "/asteri-status/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := bufio.NewReader(response.Body).ReadString('{'); err != nil {
		t.Fatal(err)
	}
	s.stop()
}

func fileText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
