package accesslog

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// sample is one exchange with a value for every atom.
func sample() *asteri.Record {
	r := &asteri.Request{
		Method: "GET", Proto: asteri.HTTP11, Scheme: "https",
		Target: []byte("/a%20b?x=1&y=2"), Path: []byte("/a%20b"), Query: []byte("x=1&y=2"),
		Received: time.Date(2026, 11, 22, 16, 39, 59, 600e6, time.UTC),
		Peer: &asteri.Peer{
			Network: "tcp",
			Remote:  netip.MustParseAddrPort("[::ffff:192.0.2.7]:4711"),
			Local:   netip.MustParseAddrPort("192.0.2.1:443"),
		},
	}
	r.Header.Add("Host", "example.org")
	r.Header.Add("User-Agent", "curl/8")
	r.Header.Add("Referer", "https://example.org/")
	r.Header.Add("Authorization", "Basic YWxpY2U6c2VjcmV0") // alice:secret
	r.Header.Add("Content-Type", "text/plain")
	var h asteri.Header
	h.Add("Content-Type", "text/html")
	return &asteri.Record{
		Request: r, Peer: r.Peer, Status: 200, BytesIn: 3, BytesOut: 1234, BytesSent: 1500,
		Duration: 1234567 * time.Microsecond, Header: &h,
	}
}

func render(t *testing.T, format string, o Options, r *asteri.Record) string {
	t.Helper()
	f, err := Compile(format, o)
	if err != nil {
		t.Fatal(err)
	}
	line := string(f.Append(nil, r, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
	if !strings.HasSuffix(line, "\n") {
		t.Fatalf("no line end: %q", line)
	}
	return strings.TrimSuffix(line, "\n")
}

// The client of a request is not always who its connection is with.
func TestClientBehindAProxy(t *testing.T) {
	r := sample()
	r.Peer = &asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("127.0.0.1:1")}
	if got := render(t, "%(h)s %({REMOTE_PORT}e)s", Options{}, r); got != "192.0.2.7 4711" {
		t.Errorf("logged as %q", got)
	}
}

func TestAtoms(t *testing.T) {
	o := Options{PID: 99, Software: "asteri-loop/1.2.3"}
	for format, want := range map[string]string{
		`%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`: `192.0.2.7 - alice [22/Nov/2026:16:40:00 +0000] "GET /a%20b?x=1&y=2 HTTP/1.1" 200 1234 "https://example.org/" "curl/8"`,
		"%(m)s|%(U)s|%(q)s|%(H)s|%(B)s":                               "GET|/a%20b|x=1&y=2|HTTP/1.1|1234",
		"%(T)s|%(M)s|%(D)s|%(L)s|%(p)s":                               "1|1234|1234567|1.234567|<99>",
		"%(T)d 100%%":                                                 "1 100%",
		"%({host}i)s|%({X-None}i)s":                                   "example.org|-",
		"%({content-type}o)s|%({x}o)s":                                "text/html|-",
		"%({REQUEST_METHOD}e)s|%({RAW_URI}e)s|%({REQUEST_URI}e)s|%({PATH_INFO}e)s|%({QUERY_STRING}e)s": "GET|/a%20b?x=1&y=2|/a%20b?x=1&y=2|/a b|x=1&y=2",
		"%({SERVER_PROTOCOL}e)s|%({SERVER_SOFTWARE}e)s|%({SERVER_NAME}e)s|%({SERVER_PORT}e)s":          "HTTP/1.1|asteri-loop/1.2.3|192.0.2.1|443",
		"%({REMOTE_ADDR}e)s|%({REMOTE_PORT}e)s|%({HTTP_USER_AGENT}e)s|%({CONTENT_TYPE}e)s":             "192.0.2.7|4711|curl/8|text/plain",
		"%({wsgi.url_scheme}e)s|%({CONTENT_LENGTH}e)s":                                                 "https|-",
		"": "",
	} {
		if got := render(t, format, o, sample()); got != want {
			t.Errorf("%s\n got %s\nwant %s", format, got, want)
		}
	}
}

func TestRefusedHead(t *testing.T) {
	r := &asteri.Record{Peer: &asteri.Peer{Network: "unix", SocketPath: "/s"}, Status: 400, Err: errors.New("bad")}
	all := "%(h)s %(u)s %(t)s %(r)s %(m)s %(U)s %(q)s %(H)s %(s)s %(b)s %(f)s %({a}i)s %({a}o)s %({SERVER_NAME}e)s %({REMOTE_PORT}e)s %({PATH_INFO}e)s"
	want := "- - [02/Jan/2026:03:04:05 +0000] - - - - - 400 0 - - - - - -"
	if got := render(t, all, Options{}, r); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	r.Status = 0
	if got := render(t, "%(s)s %(b)s %(B)s", Options{Color: true}, r); got != "- - 0" {
		t.Errorf("got %s", got)
	}
}

func TestColor(t *testing.T) {
	for status, want := range map[int]string{200: "\x1b[32m200\x1b[0m", 304: "\x1b[36m304\x1b[0m", 404: "\x1b[33m404\x1b[0m", 503: "\x1b[31m503\x1b[0m"} {
		r := sample()
		r.Status = status
		if got := render(t, "%(s)s", Options{Color: true}, r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestValuesCannotForgeALine(t *testing.T) {
	for value, want := range map[string]string{
		`a" 200 "b`:            `a\" 200 \"b`,
		"a\r\n127.0.0.1 - - x": `a\u000d\u000a127.0.0.1 - - x`,
		"\x1b[2J":              `\u001b[2J`,
		`back\slash`:           `back\\slash`,
		"größe ☃":              "größe ☃",
		"\xff\xfe":             `\u00ff\u00fe`,
		"a\u2028b\u202ec":      `a\u2028b\u202ec`,
		"\U000e0001":           `\udb40\udc01`,
		"\x7f\u0085":           `\u007f\u0085`,
	} {
		r := sample()
		r.Request.Header.Set("User-Agent", value)
		if got := render(t, "%(a)s", Options{}, r); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func FuzzEscapeIsJSON(f *testing.F) {
	f.Add([]byte("a\"\\\x00\xff\u2028\U000e0001 \xf0\x9f"))
	f.Fuzz(func(t *testing.T, value []byte) {
		quoted := append(escape([]byte(`"`), value), '"')
		var s string
		if err := json.Unmarshal(quoted, &s); err != nil {
			t.Fatalf("%q becomes %s: %v", value, quoted, err)
		}
	})
}

func TestCompileErrors(t *testing.T) {
	for format, want := range map[string]string{
		"%h":              `"%h": must be %(NAME)s, or %% for a percent sign`,
		"50%":             `"%": must be %(NAME)s, or %% for a percent sign`,
		"%(h)":            `"%(h)": must be %(NAME)s, or %% for a percent sign`,
		"%(hello":         `"%(hello": must be %(NAME)s, or %% for a percent sign`,
		"%(host)s":        `%(host)s is not known; there are B, D, H, L, M, T, U, a, b, f, h, l, m, p, q, r, s, t, u, {NAME}i, {NAME}o, {NAME}e and {NAME}x`,
		"%({x}z)s":        `%({x}z)s is not known; there are B, D, H, L, M, T, U, a, b, f, h, l, m, p, q, r, s, t, u, {NAME}i, {NAME}o, {NAME}e and {NAME}x`,
		"%({MY_VAR}e)s":   `%({MY_VAR}e)s is not known to the server; there are the CGI variables, HTTP_* and wsgi.url_scheme`,
		"%(x is too long": `"%(x is too lo...": must be %(NAME)s, or %% for a percent sign`,
	} {
		if _, err := Compile(format, Options{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", format, err, want)
		}
	}
}

func TestLineAllocatesNothing(t *testing.T) {
	f, err := Compile(`%(h)s %(l)s - %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s`, Options{Color: true})
	if err != nil {
		t.Fatal(err)
	}
	r, buf := sample(), make([]byte, 0, 2048)
	if n := testing.AllocsPerRun(100, func() { buf = f.Append(buf[:0], r, time.Time{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
