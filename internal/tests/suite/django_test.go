//go:build linux

package suite

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var djangoDatabase = sync.OnceValues(makeDjangoDatabase)

// makeDjangoDatabase makes the database that all Django tests share, with one
// administrator.
func makeDjangoDatabase() (string, error) {
	path := filepath.Join(scratch, "django.sqlite3")
	for _, args := range [][]string{{"migrate", "--verbosity", "0"}, {"createsuperuser", "--noinput", "--verbosity", "0"}} {
		command := exec.Command(python, append([]string{"-B", "-m", "django"}, args...)...)
		command.Dir = appsDir
		command.Env = append(os.Environ(), "DJANGO_DATABASE="+path, "DJANGO_SETTINGS_MODULE=djangosite.settings",
			"DJANGO_SUPERUSER_USERNAME=ali", "DJANGO_SUPERUSER_PASSWORD=sesame", "DJANGO_SUPERUSER_EMAIL=ali@example.org")
		if out, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("django %s: %w\n%s", args[0], err, out)
		}
	}
	return path, nil
}

func TestDjango(t *testing.T) {
	t.Parallel()
	database, err := djangoDatabase()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"-e", "DJANGO_DATABASE=" + database}
	t.Run("wsgi", func(t *testing.T) { matrix(t, "djangosite.wsgi", wsgiModels, env, djangoChecks) })
	t.Run("asgi", func(t *testing.T) { matrix(t, "djangosite.asgi", []string{"asgi"}, env, djangoChecks) })
}

var djangoChecks = map[string]func(*testing.T, *server, *client){
	"page": func(t *testing.T, s *server, c *client) {
		equal(t, "body", c.get("/").want(t, 200), "Hello from Django, 1 users")
		equal(t, "not found", c.get("/nothing").StatusCode, 404)
	},
	"admin login":   checkAdminLogin,
	"admin refuses": checkAdminRefuses,
	"upload":        checkUpload,
	"stream": func(t *testing.T, s *server, c *client) {
		body := c.get("/stream?n=2000").want(t, 200)
		equal(t, "rows", strings.Count(body, "\n"), 2001)
		contains(t, body, "1999,user1999")
	},
	"file": func(t *testing.T, s *server, c *client) {
		source, err := os.ReadFile(filepath.Join(appsDir, "djangosite", "views.py"))
		if err != nil {
			t.Fatal(err)
		}
		a := c.get("/file")
		equal(t, "file", a.want(t, 200), string(source))
		contains(t, a.Header.Get("Content-Disposition"), "views.py")
	},
	"url": func(t *testing.T, s *server, c *client) {
		who := decode[struct {
			User, URL string
			Secure    bool
		}](t, c.get("/whoami"))
		equal(t, "user", who.User, "")
		equal(t, "url", who.URL, c.base+"/whoami")
		equal(t, "secure", who.Secure, strings.HasPrefix(c.base, "https"))
	},
	"error": func(t *testing.T, s *server, c *client) { checkError(t, s, c.get("/error")) },
}

var csrfField = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([^"]+)"`)

// adminLogin posts the admin's login form as a browser does.
func adminLogin(t *testing.T, c *client, password string) answer {
	t.Helper()
	page := c.get("/admin/login/?next=/admin/").want(t, 200)
	token := csrfField.FindStringSubmatch(page)
	if token == nil {
		t.Fatalf("no form token in\n%s", page)
	}
	form := url.Values{"csrfmiddlewaretoken": {token[1]}, "username": {"ali"}, "password": {password}, "next": {"/admin/"}}
	return c.do("POST", "/admin/login/", strings.NewReader(form.Encode()),
		"Content-Type: application/x-www-form-urlencoded", "Referer: "+c.base+"/admin/login/", "Origin: "+c.base)
}

// checkAdminLogin: the answer to a login sets two cookies, and a server that
// keeps but one of them logs nobody in.
func checkAdminLogin(t *testing.T, s *server, c *client) {
	a := adminLogin(t, c, "sesame")
	a.want(t, 302)
	set := map[string]bool{}
	for _, cookie := range a.Cookies() {
		set[cookie.Name] = true
	}
	if !set["csrftoken"] || !set["sessionid"] {
		t.Fatalf("the login set %q", a.Header.Values("Set-Cookie"))
	}
	contains(t, c.get("/admin/").want(t, 200), "Site administration", "ali")
	contains(t, c.get("/admin/auth/user/").want(t, 200), "ali@example.org")
}

func checkAdminRefuses(t *testing.T, s *server, c *client) {
	contains(t, adminLogin(t, c, "wrong").want(t, 200), "Please enter the correct username and password")
	equal(t, "without the form token", c.post("/admin/login/", "application/x-www-form-urlencoded", "username=ali").StatusCode, 403)
	equal(t, "admin for strangers", c.get("/admin/auth/user/").StatusCode, 302)
}
