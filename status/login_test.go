package status

import (
	"net/url"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// The token in the query becomes a cookie, and shows no more.
func TestTokenInQuery(t *testing.T) {
	h := newMonitor(t, Options{}).Handler(application)
	x := query{target: "/asteri-status?token=" + testToken + "&lang=id", scheme: "https", remote: "192.0.2.1:5", host: "www.example"}.exchange(t, exchangetest.NewExecutor(t))
	got := x.Answer(h)
	if got.Status != 303 || string(got.Header.Get("Location")) != "/asteri-status?lang=id" {
		t.Fatalf("%d %s", got.Status, got.Header.Get("Location"))
	}
	for _, method := range []string{"GET", "HEAD", "POST"} {
		for _, rest := range []string{"", "&lang=id", "&%", "&" + strings.Repeat("a", maxQuery)} {
			x := query{method: method, target: "/asteri-status?token=" + testToken + rest}.exchange(t, exchangetest.NewExecutor(t))
			x.Answer(h)
			if r := x.Request(); strings.Contains(string(r.Target)+string(r.Query), testToken) {
				t.Errorf("%s with %.10s: the log will show %s", method, rest, r.Target)
			}
		}
	}
	var paths []string
	for c := range got.Header.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(string(c), "=")
		value, attributes, _ := strings.Cut(rest, ";")
		for _, a := range []string{"HttpOnly", "SameSite=Strict", "Secure"} {
			if !strings.Contains(attributes, a) {
				t.Errorf("%s is missing in %s", a, attributes)
			}
		}
		if strings.Contains(value, testToken) {
			t.Error("the cookie is the token")
		}
		_, path, _ := strings.Cut(attributes, "Path=")
		path, _, _ = strings.Cut(path, ";")
		paths = append(paths, path)
		if got := ask(t, h, query{target: path, remote: "192.0.2.1:5", host: "www.example", fields: []string{"Cookie", name + "=" + value}}); got.Status != 200 {
			t.Errorf("%s with the cookie: %d", path, got.Status)
		}
	}
	if strings.Join(paths, " ") != "/asteri-status /asteri-status.json" {
		t.Errorf("%v", paths)
	}
	for _, target := range []string{"/asteri-status?token=wrong", "/asteri-status?token=", "/asteri-status.json?a&token=wrong", "/asteri-status/nothing?token=wrong"} {
		got := ask(t, h, query{target: target})
		if got.Status != 403 || got.Header.Has("Set-Cookie") || strings.Contains(string(got.Body), "wrong") {
			t.Errorf("%s: %d %s", target, got.Status, got.Body)
		}
	}
	if got := ask(t, h, query{target: "/livez?token=wrong"}); got.Status != 200 {
		t.Errorf("a probe's own query: %d", got.Status)
	}
}

// TestTokenInQueryOfSharedPaths: it counts there as the bearer does, and shows no more.
func TestTokenInQueryOfSharedPaths(t *testing.T) {
	m := newMonitor(t, Options{Token: testToken + "+/", MetricsPath: "/metrics"})
	escaped := "token=" + url.QueryEscape(testToken+"+/")
	for _, h := range []asteri.Handler{m.Handler(application), m.Admin()} {
		for _, path := range []string{"/livez", "/readyz", "/metrics"} {
			for rest, want := range map[string]string{
				"?" + escaped:                     "",
				"?" + escaped + "&a=%zz":          "?a=%zz",
				"?b&" + escaped + "&" + escaped:   "?b",
				"?token=wrong&" + escaped + "&c=": "?token=wrong&c=",
			} {
				x := query{target: path + rest, remote: "192.0.2.1:5", fields: []string{"X-Forwarded-For", "192.0.2.1"}}.exchange(t, exchangetest.NewExecutor(t))
				if got := x.Answer(h); got.Status != 200 {
					t.Errorf("%s%s: %d", path, rest, got.Status)
				}
				if r := x.Request(); string(r.Target) != path+want || string(r.Query) != strings.TrimPrefix(want, "?") {
					t.Errorf("%s%s becomes %s and %s", path, rest, r.Target, r.Query)
				}
			}
		}
	}
	// Whoever asks without it asks the application, with a query that is left alone.
	x := query{target: "/livez?token=wrong", remote: "192.0.2.1:5"}.exchange(t, exchangetest.NewExecutor(t))
	if got := x.Answer(m.Handler(application)); got.Status != 299 || string(x.Request().Target) != "/livez?token=wrong" {
		t.Errorf("%d %s", got.Status, x.Request().Target)
	}
}

func TestLogin(t *testing.T) {
	h := newMonitor(t, Options{}).Handler(application)
	post := func(body string, fields ...string) exchangetest.Result {
		return ask(t, h, query{
			method: "POST", target: "/asteri-status/login", remote: "192.0.2.1:5", host: "www.example", body: body,
			fields: append(fields, "Content-Type", "application/x-www-form-urlencoded"),
		})
	}
	if got := post("token=" + testToken); got.Status != 303 || !got.Header.Has("Set-Cookie") {
		t.Errorf("%d", got.Status)
	}
	if got := post("token=wrong"); got.Status != 403 || got.Header.Has("Set-Cookie") {
		t.Errorf("wrong token: %d", got.Status)
	}
	if got := post("token="+testToken, "Origin", "https://evil.example"); got.Status != 403 {
		t.Errorf("another site signs its visitor in: %d", got.Status)
	}
	if got := post("token=" + strings.Repeat("x", maxForm)); got.Status != 413 {
		t.Errorf("long form: %d", got.Status)
	}
	if got := post("token=%"); got.Status != 400 {
		t.Errorf("malformed form: %d", got.Status)
	}
	// Who may not look is offered the form, in the browser.
	got := ask(t, h, query{target: "/asteri-status?x=<script>", remote: "192.0.2.1:5", fields: []string{"Accept", "text/html"}})
	if got.Status != 403 || !strings.Contains(string(got.Body), `action="/asteri-status/login"`) || strings.Contains(string(got.Body), "<script>") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// TestForbiddenSaysWhatIsMissing: which differs by what is asked for, and where.
func TestForbiddenSaysWhatIsMissing(t *testing.T) {
	m := newMonitor(t, Options{Control: orders{}})
	session := []string{"Cookie", "asteri-status-8000=" + m.keys.newSession()}
	act := func(fields ...string) query {
		return query{method: "POST", target: "/asteri-status/action", body: "action=reload", fields: append(fields, "Content-Type", "application/x-www-form-urlencoded")}
	}
	far := "192.0.2.1:5"
	for name, tc := range map[string]struct {
		query
		admin bool
		needs string
	}{
		"the log, from here":       {query{target: "/asteri-status/logs"}, false, needsToken},
		"the log, from elsewhere":  {query{target: "/asteri-status/logs", remote: far}, false, needsToken},
		"the page, from elsewhere": {query{target: "/asteri-status", remote: far}, false, needsNear},
		"nothing, from elsewhere":  {query{target: "/asteri-status/nothing", remote: far}, false, needsNear},
		"another token":            {query{target: "/asteri-status?token=wrong"}, false, needsToken},
		"action, from here":        {act(), false, needsToken},
		"action of a session":      {act(session...), false, needsToken},
		"action of an admin":       {act(), true, needsField},
		"admin by a strange name":  {query{target: "/asteri-status", host: "evil.example"}, true, needsToken},
	} {
		h := m.Handler(application)
		if tc.admin {
			h = m.Admin()
		}
		if got := ask(t, h, tc.query); got.Status != 403 || string(got.Body) != words[tc.needs][english]+"\n" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		if tc.method != "" {
			continue // no page is a POST's answer
		}
		tc.method, tc.fields = "GET", []string{"Accept", "text/html", "Accept-Language", "id"}
		if got := ask(t, h, tc.query); !strings.Contains(string(got.Body), words[tc.needs][indonesian]) {
			t.Errorf("%s, as a page: %s", name, got.Body)
		}
	}
}
