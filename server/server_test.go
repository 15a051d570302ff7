package server_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
	"github.com/asteri/asteri-loop/workers/python"
)

// The zero value of everything but the application and the port is a good one.
func TestPlain(t *testing.T) {
	srv := start(t, server.Config{App: server.App{Handler: text("hello")}})
	for version, proto := range map[string]string{"h1": "HTTP/1.1", "h2": "HTTP/2.0"} {
		got := get(t, client(t, version), url(srv, "http", "/"))
		if got.text != "hello" || got.Proto != proto || len(got.Header.Get("X-Request-ID")) == 0 {
			t.Errorf("%s: %q over %s, %v", version, got.text, got.Proto, got.Header)
		}
	}
	if _, err := net.Dial("udp", srv.Addrs().Clients[0].String()); err != nil || len(srv.Addrs().HTTP3) > 0 {
		t.Errorf("%v, %v", err, srv.Addrs())
	}
}

// freePort returns an address whose port was free for TCP a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// With a certificate there are all versions on one port, which tells of the third, and
// sends clients of http to https.
func TestVersions(t *testing.T) {
	addr := freePort(t)
	srv := start(t, server.Config{
		App:    server.App{Handler: text("secret")},
		Listen: server.Listen{Addresses: []string{addr}},
		TLS:    server.TLS{CertFiles: []string{writeCertificate(t, filepath.Join(t.TempDir(), "a.pem"), "a.example")}},
	})
	_, port, _ := net.SplitHostPort(addr)
	for version, proto := range map[string]string{"h1": "HTTP/1.1", "h2": "HTTP/2.0", "h3": "HTTP/3.0"} {
		got := get(t, client(t, version), url(srv, "https", "/"))
		if got.text != "secret" || got.Proto != proto {
			t.Errorf("%s: %q over %s", version, got.text, got.Proto)
		}
		if alt := got.Header.Get("Alt-Svc"); version != "h3" && !strings.HasPrefix(alt, `h3=":`+port+`"`) {
			t.Errorf("%s: Alt-Svc %q", version, alt)
		}
	}
	got := get(t, client(t, "h1"), url(srv, "http", "/a?b"))
	if got.StatusCode != http.StatusMovedPermanently || got.Header.Get("Location") != "https://"+addr+"/a?b" {
		t.Errorf("%d to %q", got.StatusCode, got.Header.Get("Location"))
	}
}

// Without a certificate a server that is to speak https makes one.
func TestBothSchemesWithAnOwnCertificate(t *testing.T) {
	srv := start(t, server.Config{App: server.App{Handler: text("both")}, Listen: server.Listen{Schemes: []string{"http", "https"}}})
	for _, scheme := range []string{"http", "https"} {
		if got := get(t, client(t, "h1"), url(srv, scheme, "/")); got.text != "both" || got.Header.Get("Alt-Svc") != "" {
			t.Errorf("%s: %q, %v", scheme, got.text, got.Header)
		}
	}
	if srv.OwnCertificate() == nil {
		t.Error("whose certificate is it?")
	}
}

// application tells of its end.
type application struct {
	text
	fails  error
	closed chan struct{}
	once   sync.Once
}

func (a *application) Ready(context.Context) error { return a.fails }
func (a *application) Close(context.Context)       { a.once.Do(func() { close(a.closed) }) }

// A reload takes certificates and handlers, and keeps what ran if there is something
// wrong with the next.
func TestReload(t *testing.T) {
	file := writeCertificate(t, filepath.Join(t.TempDir(), "a.pem"), "one.example")
	first, second := &application{text: "first", closed: make(chan struct{})}, &application{text: "second", closed: make(chan struct{})}
	cfg := server.Config{App: server.App{Handler: first}, TLS: server.TLS{CertFiles: []string{file}}, HTTP: server.HTTP{Versions: []string{"h1"}}}
	srv := start(t, cfg)
	served := func(body, name string) {
		t.Helper()
		got := get(t, client(t, "h1"), url(srv, "https", "/"))
		if names := got.TLS.PeerCertificates[0].DNSNames; got.text != body || !slices.Contains(names, name) {
			t.Errorf("%q by %v, want %q by %s", got.text, names, body, name)
		}
	}
	served("first", "one.example")

	writeCertificate(t, file, "two.example")
	cfg.App.Handler = second
	if err := srv.Reload(bounded(t), cfg); err != nil {
		t.Fatal(err)
	}
	<-first.closed
	served("second", "two.example")

	writeFile(t, file, "no certificate")
	cfg.App.Handler = &application{fails: errors.New("not today")}
	var wrong *server.ConfigError
	err := srv.Reload(bounded(t), cfg)
	if !errors.As(err, &wrong) || wrong.Field != "TLS" || !strings.Contains(err.Error(), "not today") {
		t.Errorf("%v", err)
	}
	served("second", "two.example")

	cfg.Mounts = []server.Mount{{Path: "/new", App: server.App{Handler: text("")}}}
	if err := srv.Reload(bounded(t), cfg); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("%v", err)
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	<-second.closed
}

// What stands in front of applications, together.
func TestContent(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("long ", 1000)
	writeFile(t, filepath.Join(dir, "a.txt"), long)
	srv := start(t, server.Config{
		App:          server.App{Handler: text("application")},
		Mounts:       []server.Mount{{Path: "/go", App: server.App{Handler: text(long)}}, {Host: "other.example", App: server.App{Handler: text("other")}}},
		Static:       server.Static{Folders: []server.Folder{{Prefix: "/static", Dir: dir}}},
		Compression:  server.Compression{Codings: []string{"gzip"}},
		ServerTiming: true,
	})
	c := client(t, "h1")
	for path, want := range map[string]string{"/": "application", "/go/x": long, "/static/a.txt": long} {
		got := get(t, c, url(srv, "http", path), "Accept-Encoding", "gzip")
		body := got.text
		if got.Header.Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, _ := io.ReadAll(r)
			body = string(plain)
		}
		if body != want || (got.Header.Get("Content-Encoding") == "gzip") != (want == long) {
			t.Errorf("%s: %.20q, %v", path, body, got.Header)
		}
		if timed := got.Header.Get("Server-Timing") != ""; timed == strings.HasPrefix(path, "/static") {
			t.Errorf("%s: timed: %v", path, timed)
		}
	}
	if got := get(t, c, url(srv, "http", "/static/none")); got.StatusCode != http.StatusNotFound {
		t.Errorf("%d", got.StatusCode)
	}
	r, _ := http.NewRequestWithContext(bounded(t), http.MethodGet, url(srv, "http", "/"), http.NoBody)
	r.Host = "other.example:80"
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "other" {
		t.Errorf("by host: %q", body)
	}
}

// counter is a handler with a metric of its own, and workers to tell of.
type counter struct {
	text
	*prometheus.Registry
}

func (counter) Report(r *status.Report) {
	r.Workers = append(r.Workers, status.Worker{PID: 1, State: "IDLE"})
}
func (counter) Pools() []status.PoolMeasures {
	return []status.PoolMeasures{{Model: "mine", QueueSize: 7}}
}
func (counter) Describe() server.Description {
	return server.Description{Application: status.Application{Name: "counter"}}
}

// An application says what else it is, and another server can stand behind a path.
func TestWhatApplicationsTell(t *testing.T) {
	sold := prometheus.NewCounter(prometheus.CounterOpts{Name: "sold_total"})
	shop := counter{"shop", prometheus.NewRegistry()}
	shop.MustRegister(sold)
	sold.Add(3)
	behind := start(t, server.Config{App: server.App{Handler: who}})
	srv := start(t, server.Config{
		App: server.App{Handler: text("root")},
		Mounts: []server.Mount{
			{Path: "/shop", App: server.App{Handler: shop}},
			{Path: "/behind", App: server.App{Upstream: &server.Upstream{URL: url(behind, "http", "/")}}},
		},
	})
	c := client(t, "h1")
	if got := get(t, c, url(srv, "http", "/behind/x"), "X-Request-ID", "same"); got.text != "http 127.0.0.1 same" {
		t.Errorf("%q", got.text)
	}
	metrics := get(t, c, url(srv, "http", "/metrics")).text
	for _, want := range []string{"\nsold_total{app=\"/shop\"} 3", `asteri_queue_capacity{app="/shop"} 7`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in %s", want, metrics)
		}
	}
	about := srv.Applications()
	if len(about) != 3 || about[1].Name != "counter" || about[1].At != "/shop" || about[2].Interface != "http" {
		t.Errorf("%+v", about)
	}
	var doc status.Report
	if err := json.Unmarshal([]byte(get(t, c, url(srv, "http", "/asteri-status.json")).text), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Workers) != 1 || doc.Workers[0].At != "/shop" || doc.Queue == nil {
		t.Errorf("%+v, %+v", doc.Workers, doc.Queue)
	}
}

// who tells who the client is.
var who = asteri.HandlerFunc(func(x asteri.Exchange) {
	r := x.Request()
	text(r.Scheme + " " + r.Peer.Remote.Addr().String() + " " + r.Handling.ID).ServeExchange(x)
})

func TestProxiesAndLimits(t *testing.T) {
	srv := start(t, server.Config{
		App:    server.App{Handler: who},
		Limits: asteri.Limits{RequestLine: 100},
		Rate:   server.Rate{Requests: 1, Burst: 3, Exempt: []string{"192.0.2.0/24"}},
	})
	c := client(t, "h1")
	for range 5 {
		got := get(t, c, url(srv, "http", "/"), "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "https", "X-Request-ID", "mine")
		if got.text != "https 192.0.2.1 mine" {
			t.Errorf("%q", got.text)
		}
	}
	if got := get(t, c, url(srv, "http", "/"+strings.Repeat("a", 200))); got.StatusCode != http.StatusRequestURITooLong {
		t.Errorf("a long line: %d", got.StatusCode)
	}
	codes := map[int]int{}
	for range 8 {
		codes[get(t, c, url(srv, "http", "/")).StatusCode]++
	}
	if codes[http.StatusOK] < 3 || codes[http.StatusTooManyRequests] == 0 {
		t.Errorf("%v", codes)
	}
}

func TestStatusMetricsAndLog(t *testing.T) {
	logged := filepath.Join(t.TempDir(), "access.log")
	var log logtest.Text
	reloads := make(chan struct{}, 1)
	srv := start(t, server.Config{
		Name: "shop", Version: "7", App: server.App{Handler: text("hello")},
		Status:  server.Status{Token: "sixteen-letters-and-more", Listen: []string{"127.0.0.1:0"}},
		Control: server.Control{Reload: func(string) <-chan error { reloads <- struct{}{}; return make(chan error) }},
		Logs:    server.Logs{Logger: log.Logger(), Access: server.AccessLog{Path: logged, Format: "%(m)s %(U)s %(s)s"}},
	})
	c := client(t, "h1")
	for range 3 {
		get(t, c, url(srv, "http", "/counted"))
	}
	for path, want := range map[string]string{
		"/livez": "", "/readyz": "", "/asteri-status": "shop", "/asteri-status.json": `"version":"7"`,
		"/metrics": "\nasteri_request_duration_seconds_count{",
	} {
		if got := get(t, c, url(srv, "http", path)); got.StatusCode != http.StatusOK || !strings.Contains(got.text, want) {
			t.Errorf("%s: %d, no %q in %.2000s", path, got.StatusCode, want, got.text)
		}
	}
	admin := "http://" + srv.Addrs().Admin[0].String() + "/asteri-status/action"
	r, _ := http.NewRequestWithContext(bounded(t), http.MethodPost, admin, strings.NewReader("action=reload"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Asteri-Action", "1")
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("%d", resp.StatusCode)
	}
	<-reloads
	<-srv.ReopenLogs()
	if !log.Has("The logs are open again") {
		t.Errorf("%s", log.String())
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if text := readFile(t, logged); strings.Count(text, "GET /counted 200\n") != 3 {
		t.Errorf("%s", text)
	}
}

// Drain has the request answered that runs, and accepts no more.
func TestDrain(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "late")
	})
	srv := start(t, server.Config{App: server.App{Handler: workers.ASGI(nethttp.Handler(slow), workers.Options{})}})
	answered := make(chan string)
	go func() { answered <- get(t, client(t, "h1"), url(srv, "http", "/")).text }()
	<-begun
	drained := make(chan error)
	go func() { drained <- srv.Drain(bounded(t)) }()
	for conn, err := net.Dial("tcp", srv.Addrs().Clients[0].String()); err == nil; conn, err = net.Dial("tcp", srv.Addrs().Clients[0].String()) {
		conn.Close()
	}
	close(finish)
	if got := <-answered; got != "late" {
		t.Errorf("%q", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	waited := make(chan struct{})
	go func() { srv.Wait(); close(waited) }()
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	<-waited
}

// Drain gives up with its context; Close then ends what is left.
func TestDrainThatIsGivenUp(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	srv := start(t, server.Config{App: server.App{Handler: asteri.HandlerFunc(func(x asteri.Exchange) {
		x.OnCancel(func(cause error) { ended <- cause })
		close(begun)
	})}})
	conn, err := net.Dial("tcp", srv.Addrs().Clients[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := srv.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	<-ended
}

func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(bounded(t))
	ready := &application{closed: make(chan struct{})}
	srv, err := server.New(server.Config{App: server.App{Handler: ready}, Listen: server.Listen{Addresses: []string{"127.0.0.1:0"}}, Logs: server.Logs{Logger: new(logtest.Text).Logger()}})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error)
	go func() { ran <- srv.Run(ctx) }()
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	<-ready.closed
	if err := srv.Start(); !errors.Is(err, server.ErrStarted) {
		t.Errorf("%v", err)
	}
}

func TestOutOfOrder(t *testing.T) {
	srv, err := server.New(server.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{srv.Ready(bounded(t)), srv.Drain(bounded(t)), srv.Reload(bounded(t), server.Config{})} {
		if !errors.Is(err, server.ErrNotStarted) {
			t.Errorf("%v", err)
		}
	}
	if err := errors.Join(srv.Close(), srv.Close()); err != nil {
		t.Error(err)
	}
}

// Mistakes are told at once, by their field.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	app := server.App{Handler: text("")}
	for field, cfg := range map[string]server.Config{
		"Listen.Addresses":       {Listen: server.Listen{Addresses: []string{"nowhere"}}},
		"Listen.Schemes":         {Listen: server.Listen{Schemes: []string{"gopher"}}},
		"HTTP.Versions":          {HTTP: server.HTTP{Versions: []string{"h3"}}},
		"TLS":                    {TLS: server.TLS{CertFiles: []string{filepath.Join(dir, "none.pem")}}},
		"TLS.KeyFiles":           {TLS: server.TLS{CertFiles: []string{"a"}, KeyFiles: []string{"b", "c"}}},
		"Static.Folders":         {Static: server.Static{Folders: []server.Folder{{Prefix: "/s", Dir: filepath.Join(dir, "none")}}}},
		"Compression.Codings":    {Compression: server.Compression{Codings: []string{"lzma"}}},
		"Proxies.Trusted":        {Proxies: server.Proxies{Trusted: []string{"10.0.0.0/99"}}},
		"Proxies.Fields":         {Proxies: server.Proxies{Fields: "via"}},
		"Status.Allow":           {Status: server.Status{Allow: []string{"friends"}}},
		"Status.Path":            {Status: server.Status{Path: "status/"}},
		"Logs.Access.Format":     {Logs: server.Logs{Access: server.AccessLog{Format: "%(nothing)s"}}},
		"App":                    {App: server.App{Handler: app.Handler, Upstream: &server.Upstream{URL: "http://a"}}},
		"App.Upstream.URL":       {App: server.App{Upstream: &server.Upstream{URL: "ftp://a"}}},
		"App.Python.App":         {App: server.App{Python: &python.Config{}}},
		"Mounts[0].Path":         {Mounts: []server.Mount{{Path: "a", App: app}}},
		"Mounts[0]":              {Mounts: []server.Mount{{Path: "/a"}}},
		"Mounts[1]":              {Mounts: []server.Mount{{Path: "/a", App: app}, {Path: "/a/", App: app}}},
		"Mounts[0].Upstream.URL": {Mounts: []server.Mount{{Path: "/a", App: server.App{Upstream: &server.Upstream{}}}}},
		"Rate":                   {Rate: server.Rate{Requests: -1}},
	} {
		_, err := server.New(cfg)
		var wrong *server.ConfigError
		if !errors.As(err, &wrong) || wrong.Field != field || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// What cannot be opened is told by its field too, and nothing is left open.
func TestMistakesThatShowAtTheStart(t *testing.T) {
	for field, change := range map[string]func(*server.Config){
		"Listen.Addresses": func(c *server.Config) { c.Listen.Addresses = append(c.Listen.Addresses, "unix:/does/not/exist") },
		"Status.Listen":    func(c *server.Config) { c.Status.Listen = []string{"unix:/does/not/exist"} },
		"Logs.Access.Path": func(c *server.Config) { c.Logs.Access.Path = "/does/not/exist" },
	} {
		t.Run(field, func(t *testing.T) {
			cfg := server.Config{App: server.App{Handler: text("")}, Listen: server.Listen{Addresses: []string{"127.0.0.1:0"}}, Logs: server.Logs{Logger: new(logtest.Text).Logger()}}
			change(&cfg)
			srv, err := server.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			var wrong *server.ConfigError
			if err := srv.Start(); !errors.As(err, &wrong) || wrong.Field != field {
				t.Errorf("%v", err)
			}
			srv.Wait()
		})
	}
	taken := start(t, server.Config{App: server.App{Handler: text("")}, Engine: loop.Config{Loops: 1}})
	srv, err := server.New(server.Config{Listen: server.Listen{Addresses: []string{taken.Addrs().Clients[0].String()}}, Logs: server.Logs{Logger: new(logtest.Text).Logger()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(); err == nil || errors.As(err, new(*server.ConfigError)) {
		t.Errorf("a port that another has is no mistake: %v", err)
	}
}
