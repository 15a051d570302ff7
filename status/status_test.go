package status

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

const testToken = "0123456789abcdef"

// query is a request of one kind of client.
type query struct {
	method, target, host, remote, scheme string
	proto                                asteri.Proto
	fields                               []string // name, value, ...
	proxy                                *asteri.Proxy
	body                                 string
}

func (q query) exchange(t testing.TB, e *exchangetest.Executor) *exchangetest.Exchange {
	if q.host == "" {
		q.host = "localhost:8000"
	}
	if q.remote == "" {
		q.remote = "127.0.0.1:5000"
	}
	r := asteri.Request{
		Method: q.method, Target: []byte(q.target), Proto: q.proto, Scheme: q.scheme, Authority: []byte(q.host),
		ContentLength: int64(len(q.body)), Peer: &asteri.Peer{Network: "tcp", Proxy: q.proxy},
	}
	if q.remote == "unix" {
		r.Peer.Network = "unix"
	} else {
		r.Peer.Remote = netip.MustParseAddrPort(q.remote)
	}
	for i := 0; i < len(q.fields); i += 2 {
		r.Header.Add(q.fields[i], q.fields[i+1])
	}
	return exchangetest.New(t, e, r)
}

func ask(t *testing.T, h asteri.Handler, q query) exchangetest.Result {
	t.Helper()
	x := q.exchange(t, exchangetest.NewExecutor(t))
	x.Serve(h)
	if q.body != "" && x.BodyAsked() {
		x.Send([]byte(q.body))
		x.SendEnd(nil)
	}
	return x.Wait()
}

// newMonitor makes one that tells about a server with one worker, process 7.
func newMonitor(t testing.TB, o Options) *Monitor {
	if o.Token == "" {
		o.Token = testToken
	}
	if o.Report == nil {
		o.Report = func() Report {
			return Report{
				Server:  Server{Name: "test", PID: 5, Started: time.Unix(0, 0)},
				Loops:   []Loop{{}},
				Workers: []Worker{{PID: 7, State: "BUSY", Model: "sync"}}, Queue: &Queue{Capacity: 4},
			}
		}
	}
	m := New(o)
	t.Cleanup(m.Close)
	return m
}

// application answers 299 to what it gets.
var application = asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(299, nil, []byte("application")) })

var bearerToken = []string{"Authorization", "Bearer " + testToken}

// Who sees what. Where nobody may look, probes are the application's.
func TestAccess(t *testing.T) {
	m := newMonitor(t, Options{
		Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Hosts: []string{"status.example"},
	})
	h := m.Handler(application)
	session := m.keys.newSession()
	cookie := []string{"Cookie", "a=b; asteri-status-8000=" + session}
	far, near := "192.0.2.1:5000", "10.1.2.3:5000"
	for name, tc := range map[string]struct {
		query
		want access
	}{
		"loopback":                       {query{}, public},
		"loopback, IPv6":                 {query{remote: "[::1]:5000", host: "[::1]:8000"}, public},
		"loopback, mapped":               {query{remote: "[::ffff:127.0.0.1]:5000", host: "127.0.0.1"}, public},
		"loopback, another of its":       {query{remote: "127.9.8.7:5000"}, public},
		"HTTP/2":                         {query{proto: asteri.HTTP2}, public},
		"allowed network":                {query{remote: near, host: "10.0.0.1:8000"}, public},
		"elsewhere":                      {query{remote: far}, nobody},
		"Unix socket":                    {query{remote: "unix"}, nobody},
		"HTTP/1.0":                       {query{proto: asteri.HTTP10}, nobody},
		"HTTP/1.0, allowed":              {query{proto: asteri.HTTP10, remote: near}, nobody},
		"Forwarded":                      {query{fields: []string{"forwarded", "for=192.0.2.1"}}, nobody},
		"X-Forwarded-For":                {query{fields: []string{"X-Forwarded-For", "192.0.2.1"}}, nobody},
		"X-Forwarded-For of loopback":    {query{fields: []string{"X-Forwarded-For", "127.0.0.1"}}, nobody},
		"X-Forwarded-Proto":              {query{fields: []string{"x-forwarded-proto", "https"}}, nobody},
		"X-Real-IP":                      {query{fields: []string{"X-Real-IP", "192.0.2.1"}}, nobody},
		"Via":                            {query{fields: []string{"Via", "1.1 proxy"}}, nobody},
		"a network's own field":          {query{fields: []string{"cf-connecting-ip", "192.0.2.1"}}, nobody},
		"allowed, but forwarded":         {query{remote: near, host: "10.0.0.1", fields: []string{"Via", "1.1 proxy"}}, nobody},
		"PROXY header":                   {query{proxy: &asteri.Proxy{}}, nobody},
		"PROXY header, allowed":          {query{remote: near, host: "10.0.0.1", proxy: &asteri.Proxy{}}, public},
		"PROXY header that names nobody": {query{remote: near, host: "10.0.0.1", proxy: &asteri.Proxy{Anonymous: true}}, nobody},
		"rebound name":                   {query{host: "evil.example:8000"}, nobody},
		"name like an address":           {query{host: "127.0.0.1.evil.example"}, nobody},
		"name like localhost":            {query{host: "localhost.evil.example"}, nobody},
		"no name":                        {query{host: ":8000"}, nobody},
		"name vouched for":               {query{host: "Status.Example:8000"}, public},
		"capitals":                       {query{host: "LOCALHOST"}, public},

		"same origin":                {query{fields: []string{"Origin", "http://localhost:8000", "Sec-Fetch-Site", "same-origin"}}, public},
		"another origin":             {query{fields: []string{"Origin", "https://evil.example"}}, nobody},
		"another port":               {query{fields: []string{"Origin", "http://localhost:3000"}}, nobody},
		"no origin":                  {query{fields: []string{"Origin", "null"}}, nobody},
		"another site's script":      {query{fields: []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}}, nobody},
		"another port's script":      {query{fields: []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}}, nobody},
		"another site's frame":       {query{fields: []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}}, nobody},
		"another site's link":        {query{fields: []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}}, public},
		"bar of addresses":           {query{fields: []string{"Sec-Fetch-Site", "none"}}, public},
		"token":                      {query{fields: bearerToken}, full},
		"token, from far":            {query{remote: far, host: "www.example", fields: bearerToken}, full},
		"token, through a proxy":     {query{proto: asteri.HTTP10, fields: append([]string{"Via", "1.0 proxy"}, bearerToken...)}, full},
		"token, in small letters":    {query{fields: []string{"authorization", "bearer  " + testToken + " "}}, full},
		"wrong token":                {query{fields: []string{"Authorization", "Bearer " + testToken + "x"}}, nobody},
		"part of the token":          {query{fields: []string{"Authorization", "Bearer " + testToken[:15]}}, nobody},
		"empty token":                {query{fields: []string{"Authorization", "Bearer "}}, nobody},
		"another scheme":             {query{fields: []string{"Authorization", "Basic " + testToken}}, public},
		"cookie":                     {query{fields: cookie}, full},
		"cookie, from far":           {query{remote: far, host: "www.example:8000", fields: cookie}, full},
		"cookie of another port":     {query{remote: far, host: "localhost:8001", fields: cookie}, nobody},
		"cookie, another site's":     {query{fields: append([]string{"Origin", "https://evil.example"}, cookie...)}, nobody},
		"cookie that was changed":    {query{remote: far, fields: []string{"Cookie", "asteri-status-8000=B" + session[1:]}}, nobody},
		"cookie cut short":           {query{remote: far, fields: []string{"Cookie", "asteri-status-8000=" + session[1:]}}, nobody},
		"cookie with the token":      {query{remote: far, fields: []string{"Cookie", "asteri-status-8000=" + testToken}}, nobody},
		"one cookie of two is right": {query{remote: far, fields: []string{"Cookie", "asteri-status-8000=x; asteri-status-8000=" + session}}, full},
	} {
		for path, needs := range map[string]access{
			DefaultLivePath: public, DefaultReadyPath: public, "/asteri-status": public, "/asteri-status.json": public,
			"/asteri-status/logs": full, "/asteri-status/nothing": public,
		} {
			q := tc.query
			q.target = path
			want := 200
			switch shared := !strings.HasPrefix(path, "/asteri-status"); {
			case tc.want < needs && shared:
				want = 299
			case tc.want < needs:
				want = 403
			case path == "/asteri-status/nothing":
				want = 404
			}
			got := ask(t, h, q)
			if got.Status != want {
				t.Errorf("%s asks %s: %d, want %d", name, path, got.Status, want)
			}
			if path == "/asteri-status.json" && got.Status == 200 {
				if everything := strings.Contains(string(got.Body), `"access":"full"`); everything != (tc.want == full) {
					t.Errorf("%s sees everything: %t", name, everything)
				}
			}
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	k := newKeys(testToken)
	session := k.newSession()
	if valid, _ := k.valid([]byte(session)); !valid {
		t.Error("a session belongs to its token")
	}
	if valid, forged := newKeys("another token ...").valid([]byte(session)); valid || !forged {
		t.Error("a session belongs to another token")
	}
	k.now = func() time.Time { return time.Now().Add(sessionLife + time.Second) }
	if valid, forged := k.valid([]byte(session)); valid || forged {
		t.Error("a session has no end")
	}
}

// With the admin listener everything may be seen, but not by web pages.
func TestAdmin(t *testing.T) {
	h := newMonitor(t, Options{NoDashboard: true}).Admin()
	for name, tc := range map[string]struct {
		query
		want int
	}{
		"logs":             {query{target: "/asteri-status/logs"}, 200},
		"Unix socket":      {query{target: "/asteri-status/logs", remote: "unix", host: "whatever"}, 200},
		"probe":            {query{target: "/livez"}, 200},
		"from afar":        {query{target: "/asteri-status/logs", remote: "192.0.2.1:5", host: "10.0.0.1:9000"}, 200},
		"start":            {query{target: "/"}, 303},
		"nothing":          {query{target: "/x"}, 404},
		"rebound name":     {query{target: "/asteri-status/logs", host: "evil.example"}, 403},
		"rebound name, /x": {query{target: "/x", host: "evil.example"}, 403},
		"another origin":   {query{target: "/asteri-status/logs", fields: []string{"Origin", "https://evil.example"}}, 403},
		"wrong token":      {query{target: "/asteri-status/logs", fields: []string{"Authorization", "Bearer x"}}, 403},
	} {
		if got := ask(t, h, tc.query); got.Status != tc.want {
			t.Errorf("%s: %d, want %d", name, got.Status, tc.want)
		}
	}
}

// What is not ours, however it is spelled, is the application's, and nothing below our paths is.
func TestOnlyExactPaths(t *testing.T) {
	h := newMonitor(t, Options{}).Handler(application)
	for target, want := range map[string]int{
		"/": 299, "/livez/": 299, "/livez?verbose": 200, "/LIVEZ": 299, "/%6civez": 200, "/x/..//../livez": 200, "/livez/%2e%2e": 299, "/livez%2f..": 299, "/x/livez": 299,
		"/asteri-statusx": 299, "/asteri-status.jsonx": 299, "/asteri-status.json/": 299, "/Asteri-Status": 299, "/ASTERI-STATUS.JSON": 299,
		"//asteri-status": 299, "/asteri%2dstatus": 200, "/%61steri-status": 200, "/x/../asteri-status": 200, "/./asteri-status": 200, "/asteri-status%2f..": 299,
		"/asteri-status": 200, "/asteri-status.json": 200, "/asteri-status?": 200, "/asteri-status?x=/../": 200,
		"/asteri-status/": 404, "/asteri-status/x": 404, "/asteri-status/../x": 299, "/asteri-status/..": 299, "/asteri-status/..%2fx": 404, "/asteri-status//": 404, "/asteri-status/%2e%2e/": 299,
		"/asteri-status/Events": 404, "/asteri-status/logs": 403, "/asteri-status/logs/": 404, "/asteri-status/logs/stream": 403, "/asteri-status/stack": 403, "/asteri-status/stack?pid=7": 403,
	} {
		if got := ask(t, h, query{target: target}); got.Status != want {
			t.Errorf("%s: %d, want %d", target, got.Status, want)
		}
	}
	if got := ask(t, h, query{method: "POST", target: "/form", body: "GET /asteri-status HTTP/1.1"}); got.Status != 299 {
		t.Errorf("a body that holds the path: %d", got.Status)
	}
}

// Who signs in is sent to a path of ours, in whatever spelling the link had it.
func TestSigningInLeadsNowhereElse(t *testing.T) {
	h := newMonitor(t, Options{}).Handler(application)
	for _, target := range []string{"//evil.example/../../asteri-status", "/x/../asteri-status", "/%61steri-status"} {
		got := ask(t, h, query{target: target + "?token=" + testToken})
		if got.Status != 303 || string(got.Header.Get("Location")) != "/asteri-status" {
			t.Errorf("%s: %d, to %s", target, got.Status, got.Header.Get("Location"))
		}
	}
}

func TestMovedPaths(t *testing.T) {
	h := newMonitor(t, Options{Path: "/-/state", LivePath: "/-/live", ReadyPath: "/-/ready"}).Handler(application)
	for target, want := range map[string]int{
		"/asteri-status": 299, "/asteri-status/logs": 299, "/livez": 299, "/readyz": 299,
		"/-/state": 200, "/-/state.json": 200, "/-/state/x": 404, "/-/live": 200, "/-/ready": 200, "/-/": 299,
	} {
		if got := ask(t, h, query{target: target}); got.Status != want {
			t.Errorf("%s: %d, want %d", target, got.Status, want)
		}
	}
}

func TestNoDashboard(t *testing.T) {
	h := newMonitor(t, Options{NoDashboard: true}).Handler(application)
	for target, want := range map[string]int{
		"/asteri-status": 299, "/asteri-status/x": 299, "/asteri-status.json": 299, "/asteri-status?token=" + testToken: 299, "/livez": 200,
	} {
		if got := ask(t, h, query{target: target}); got.Status != want {
			t.Errorf("%s: %d, want %d", target, got.Status, want)
		}
	}
}

func TestMethods(t *testing.T) {
	h := newMonitor(t, Options{}).Handler(application)
	for _, tc := range []struct {
		method, target string
		fields         []string
		want           int
		allow          string
	}{
		{"POST", "/livez", nil, 405, "GET, HEAD"},
		{"HEAD", "/livez", nil, 200, ""},
		{"HEAD", "/asteri-status.json", nil, 200, ""},
		{"HEAD", "/asteri-status/events", nil, 200, ""},
		{"HEAD", "/asteri-status", nil, 200, ""},
		{"OPTIONS", "/asteri-status.json", nil, 405, "GET, HEAD"},
		{"DELETE", "/asteri-status", nil, 405, "GET, HEAD"},
		{"GET", "/asteri-status/action", bearerToken, 405, "POST"},
		{"GET", "/asteri-status/login", nil, 405, "POST"},
	} {
		got := ask(t, h, query{method: tc.method, target: tc.target, fields: tc.fields})
		if got.Status != tc.want || string(got.Header.Get("Allow")) != tc.allow {
			t.Errorf("%s %s: %d %q", tc.method, tc.target, got.Status, got.Header.Get("Allow"))
		}
	}
}

func TestGiantQueries(t *testing.T) {
	h := newMonitor(t, Options{}).Handler(application)
	giant := strings.Repeat("a=b&", 1<<16)
	for path, want := range map[string]int{
		"/asteri-status": 414, "/asteri-status/events": 414, "/asteri-status/logs": 400, "/asteri-status/stack": 400, "/asteri-status.json": 200, "/livez": 200,
	} {
		got := ask(t, h, query{target: path + "?" + giant + "token=x", fields: bearerToken})
		if got.Status != want || len(got.Body) > 64<<10 {
			t.Errorf("%s: %d, want %d", path, got.Status, want)
		}
	}
}

func TestNotReady(t *testing.T) {
	h := newMonitor(t, Options{Ready: func() error { return errors.New("no worker is ready") }}).Handler(application)
	if got := ask(t, h, query{target: DefaultReadyPath}); got.Status != 503 || string(got.Body) != "no worker is ready\n" {
		t.Errorf("%d %q", got.Status, got.Body)
	}
	if got := ask(t, h, query{target: DefaultLivePath}); got.Status != 200 || string(got.Body) != "ok\n" {
		t.Errorf("%d %q", got.Status, got.Body)
	}
	var doc Report
	if err := json.Unmarshal(ask(t, h, query{target: "/asteri-status.json"}).Body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Ready || doc.Reason != "no worker is ready" {
		t.Errorf("%+v", doc)
	}
}

// orders is a Control that notes what it was told.
type orders struct{ told chan string }

func (o orders) Reload(string) <-chan error { o.told <- "reload"; return nil }
func (o orders) Scale(_ string, delta int) ([]Staffing, error) {
	o.told <- "scale " + string(rune('1'+delta))
	return nil, nil
}
func (o orders) Resize(string, int) ([]Staffing, error) { return nil, nil }
func (o orders) Kill(int) error                         { return nil }
func (o orders) Stop(bool) error                        { return nil }
func (o orders) Upgrade(context.Context) (int, error)   { return 0, nil }
func (o orders) LogLevel(string) (string, error)        { return "", nil }
func (o orders) Restart(pid int) error {
	if pid != 7 {
		return errors.New("no such worker")
	}
	o.told <- "restart"
	return nil
}

func (o orders) Stacks(_ context.Context, pid int) (map[string]string, error) {
	if pid != 7 {
		return nil, errors.New("no such worker")
	}
	return map[string]string{"MainThread": "  at main\n", "A": "  at a"}, nil
}

func TestActions(t *testing.T) {
	o := orders{make(chan string, 10)}
	m := newMonitor(t, Options{Control: o})
	session := m.keys.newSession()
	cookie := []string{"Cookie", "asteri-status-8000=" + session}
	proof := "&csrf=" + url.QueryEscape(m.keys.proof(session))
	form := []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}
	for name, tc := range map[string]struct {
		admin  bool
		body   string
		fields []string
		status int
		told   string
	}{
		"token, reload":           {false, "action=reload", bearerToken, 202, "reload"},
		"token, scale-up":         {false, "action=scale-up", bearerToken, 202, "scale 2"},
		"token, scale-down":       {false, "action=scale-down", bearerToken, 202, "scale 0"},
		"token, restart":          {false, "restart=7", bearerToken, 202, "restart"},
		"token, no such worker":   {false, "restart=8", bearerToken, 409, ""},
		"token, no worker":        {false, "restart=x", bearerToken, 400, ""},
		"token, no action":        {false, "action=format-disk", bearerToken, 400, ""},
		"token, nothing":          {false, "x=y", bearerToken, 400, ""},
		"session":                 {false, "action=reload" + proof, cookie, 202, "reload"},
		"session in a browser":    {false, "action=reload" + proof, append([]string{"Accept", "text/html", "Origin", "http://localhost:8000", "Sec-Fetch-Site", "same-origin"}, cookie...), 303, "reload"},
		"session without proof":   {false, "action=reload", cookie, 403, ""},
		"proof of another":        {false, "action=reload&csrf=" + m.keys.proof(m.keys.newSession()), cookie, 403, ""},
		"proof without session":   {false, "action=reload" + proof, nil, 403, ""},
		"session, another site":   {false, "action=reload" + proof, append([]string{"Origin", "http://localhost:3000"}, cookie...), 403, ""},
		"loopback":                {false, "action=reload", nil, 403, ""},
		"loopback with the field": {false, "action=reload", []string{"X-Asteri-Action", "1"}, 403, ""},
		"admin":                   {true, "action=reload", []string{"X-Asteri-Action", "1"}, 202, "reload"},
		"admin without the field": {true, "action=reload", nil, 403, ""},
		"admin, another site":     {true, "action=reload", []string{"X-Asteri-Action", "1", "Origin", "https://evil.example"}, 403, ""},
		"admin in a browser":      {true, "action=reload" + proof, cookie, 202, "reload"},
		"admin, not the page's":   {true, "action=reload", append([]string{"X-Asteri-Action", ""}, cookie...), 403, ""},
	} {
		h := m.Handler(application)
		if tc.admin {
			h = m.Admin()
		}
		got := ask(t, h, query{method: "POST", target: "/asteri-status/action", body: tc.body, fields: append(append([]string{}, tc.fields...), form...)})
		if got.Status != tc.status {
			t.Errorf("%s: %d, want %d", name, got.Status, tc.status)
		}
		told := ""
		select {
		case told = <-o.told:
		default:
		}
		if told != tc.told {
			t.Errorf("%s: told %q, want %q", name, told, tc.told)
		}
	}
	if got := ask(t, m.Handler(application), query{method: "POST", target: "/asteri-status/action", body: "{}", fields: append([]string{"Content-Type", "text/plain"}, bearerToken...)}); got.Status != 415 {
		t.Errorf("another type: %d", got.Status)
	}
}

func TestStack(t *testing.T) {
	h := newMonitor(t, Options{Control: orders{}}).Handler(application)
	for target, want := range map[string]string{
		"?pid=7":   "200 Thread A:\n  at a\n\nThread MainThread:\n  at main\n\n",
		"?pid=8":   "404 no such worker\n",
		"?pid=-1":  "400 pid must be the number of a process\n",
		"":         "400 pid must be the number of a process\n",
		"?pid=7;1": "400 pid must be the number of a process\n",
	} {
		got := ask(t, h, query{target: "/asteri-status/stack" + target, fields: bearerToken})
		if text := string(rune('0'+got.Status/100)) + "0" + string(rune('0'+got.Status%10)) + " " + string(got.Body); text != want {
			t.Errorf("%s: %q", target, text)
		}
	}
}
