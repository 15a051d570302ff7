//go:build linux

package suite

import (
	"bufio"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// example are the arguments for an application of examples/.
func example(folder, name, model string, more ...string) []string {
	dir := filepath.Join(repository, "examples", folder)
	return append([]string{"--python", python, "--chdir", dir, "-w", model, name}, more...)
}

// TestExamples uses each example as its reader would.
func TestExamples(t *testing.T) {
	t.Parallel()
	t.Run("flask", func(t *testing.T) {
		t.Parallel()
		database := filepath.Join(t.TempDir(), "book.sqlite3")
		s := start(t, example("flask", "app:create_app('"+database+"')", "gtornado")...)
		c := s.over(t, "https")
		signed := c.post("/sign", "application/x-www-form-urlencoded", "name=Ali&words=lovely+%22place%22")
		equal(t, "after signing", signed.Header.Get("Location"), "/")
		signed.want(t, 303)
		contains(t, c.get("/").want(t, 200), "Ali", "lovely &#34;place&#34;")
		equal(t, "api", decode[[]map[string]string](t, c.get("/api/entries"))[0]["name"], "Ali")
		equal(t, "export", c.get("/export").want(t, 200), "name,words\n\"Ali\",\"lovely \"\"place\"\"\"\n")
	})
	t.Run("django", func(t *testing.T) {
		t.Parallel()
		s := start(t, append(example("django", "mysite.wsgi", "gthread:2", "--threads", "4"), "-e", "DJANGO_DATABASE="+pollsDatabase(t))...)
		checkPolls(t, s.over(t, "https"))
	})
	t.Run("django asgi", func(t *testing.T) {
		t.Parallel()
		s := start(t, append(example("django", "mysite.asgi", "asgi"), "-e", "DJANGO_DATABASE="+pollsDatabase(t))...)
		checkPolls(t, s.over(t, "https"))
	})
	t.Run("fastapi", func(t *testing.T) {
		t.Parallel()
		s := start(t, example("fastapi", "main:app", "asgi")...)
		c := s.over(t, "https")
		contains(t, c.get(c.get("/").Header.Get("Location")).want(t, 200), "swagger")
		events, err := c.http.Do(c.request("GET", "/events", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer events.Body.Close()
		content := pattern(100_000)
		kind, body := multipartBody(t, "", "data.bin", content)
		c.post("/jobs", kind, body).want(t, 202)
		lines := bufio.NewScanner(events.Body)
		for lines.Scan() && !strings.Contains(lines.Text(), digest(content)) {
		}
		contains(t, lines.Text(), `"state":"done"`, digest(content))
		contains(t, c.get("/jobs/1").want(t, 200), `"state":"done"`, "data.bin")
		c.get("/jobs/2").want(t, 404)
	})
	t.Run("starlette", func(t *testing.T) {
		t.Parallel()
		s := start(t, example("starlette", "app:app", "asgi", "-e", "DROP_FOLDER="+filepath.Join(t.TempDir(), "drop"))...)
		c := s.over(t, "https")
		content := string(pattern(5 << 20))
		c.do("PUT", "/files/big.iso", strings.NewReader(content)).want(t, 201)
		equal(t, "download", digest([]byte(c.get("/files/big.iso").want(t, 200))), digest([]byte(content)))
		equal(t, "part", c.get("/files/big.iso", "Range: bytes=100-199").want(t, 206), content[100:200])
		contains(t, c.get("/").want(t, 200), "big.iso", "5242880")
		c.do("PUT", "/files/.hidden", strings.NewReader("x")).want(t, 400)
		c.do("DELETE", "/files/big.iso", nil).want(t, 204)
		c.get("/files/big.iso").want(t, 404)
	})
	t.Run("tornado", func(t *testing.T) {
		t.Parallel()
		s := start(t, example("tornado", "app:make_app()", "gtornado")...)
		c := s.over(t, "https")
		contains(t, c.get("/").want(t, 200), "<h1>Messages</h1>")
		// The report blocks; a message goes round meanwhile.
		report, poll := c.send("GET", "/report"), c.send("GET", "/messages?after=0")
		c.post("/messages", "application/x-www-form-urlencoded", "text=hello").want(t, 204)
		equal(t, "message", decode[[]map[string]any](t, poll.answer())[0]["text"], any("hello"))
		contains(t, report.answer().want(t, 200), "The report took")
	})
}

// pollsDatabase makes the database of the Django example with one question.
func pollsDatabase(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "polls.sqlite3")
	for _, args := range [][]string{{"migrate", "--verbosity", "0"}, {"shell", "--no-imports", "-c",
		"from polls.models import *; Question.objects.create(text='Tea?').choices.create(text='Yes')"}} {
		command := exec.Command(python, append([]string{"-B", "manage.py"}, args...)...)
		command.Dir = filepath.Join(repository, "examples", "django")
		command.Env = append(os.Environ(), "DJANGO_DATABASE="+path)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return path
}

func checkPolls(t *testing.T, c *client) {
	t.Helper()
	contains(t, c.get("/").want(t, 200), "Tea?")
	token := csrfField.FindStringSubmatch(c.get("/1/").want(t, 200))
	if token == nil {
		t.Fatal("the form has no token")
	}
	form := url.Values{"csrfmiddlewaretoken": {token[1]}, "choice": {"1"}}
	voted := c.do("POST", "/1/vote", strings.NewReader(form.Encode()), "Content-Type: application/x-www-form-urlencoded", "Referer: "+c.base+"/1/")
	voted.want(t, 302)
	contains(t, c.get("/1/").want(t, 200), "Yes (1)")
	equal(t, "results", c.get("/results.csv").want(t, 200), "question,choice,votes\n\"Tea?\",\"Yes\",1\n")
	c.get("/admin/login/").want(t, 200)
	contains(t, c.get("/static/admin/css/base.css").want(t, 200), "body")
}

// TestEmbedded builds the example of a Go program and uses both of its sides.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "embed")
	if err := run(repository, "go", "build", "-o", program, "./examples/embed"); err != nil {
		t.Fatal(err)
	}
	s := launchServer(t, launch{binary: program, args: []string{"-l", "127.0.0.1:0", "-chdir", appsDir, "-python", python, "flask_app:app"}})
	s.awaitLog(`Listening address=127`)
	for _, number := range []string{"1", "2"} { // one that still starts at the stop is killed
		s.awaitLog(`worker ready worker_number=` + number)
	}
	s.addr = regexp.MustCompile(`address=(127\S+)`).FindStringSubmatch(s.log.text())[1]
	c := s.over(t, "http")
	contains(t, c.get("/go/time").want(t, 200), "T")
	contains(t, c.get("/go/hello").want(t, 200), "Hello from net/http, 127.0.0.1")
	c.get("/go/nothing").want(t, 404)
	equal(t, "Flask", c.get("/greet/Go").want(t, 200), "Hello, Go!")
	equal(t, "Flask's own 404", c.get("/nothing").StatusCode, 404)
	s.stop()
	contains(t, s.log.text(), "worker finished")
	if strings.Contains(s.log.text(), "worker killed") {
		t.Errorf("workers did not end by themselves:\n%s", s.log.text())
	}
}
