//go:build linux

package suite

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
)

// TestMalformedRequests sends through the real binary what must never reach an
// application: it is answered and the connection closed.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync")...)
	for name, test := range map[string]struct {
		raw    string
		status int
	}{
		"garbage":                {"\x00\x01\x02\x03 garbage\r\n\r\n", 400},
		"no version":             {"GET /\r\n\r\n", 400},
		"unknown version":        {"GET / HTTP/3.7\r\nHost: x\r\n\r\n", 505},
		"no Host":                {"GET / HTTP/1.1\r\n\r\n", 400},
		"two Hosts":              {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		"space before the colon": {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
		"folded field":           {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
		"NUL in a value":         {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400},
		"bare CR in a value":     {"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400},
		"length and chunked":     {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"two lengths":            {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
		"signed length":          {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400},
		"hexadecimal length":     {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", 400},
		"huge length":            {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413},
		"xchunked":               {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
		"chunked not last":       {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
		"transfer coding in 1.0": {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"bad chunk size":         {"POST /read?how=to_end HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400},
		"chunk without its end":  {"POST /read?how=to_end HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
		"unknown expectation":    {"POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", 417},
		"long line":              {"GET /" + strings.Repeat("a", 5000) + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
		"long field":             {"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 9000) + "\r\n\r\n", 431},
		"many fields":            {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 101) + "\r\n", 431},
		"large head":             {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: "+strings.Repeat("b", 8000)+"\r\n", 12) + "\r\n", 431},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.in(t)
			reply := s.exchange(test.raw + "GET /pid HTTP/1.1\r\nHost: smuggled\r\n\r\n")
			equal(t, "status", statusOf(t, reply), test.status)
			equal(t, "answers", strings.Count(reply, "HTTP/1.1 "), 1)
			contains(t, strings.ToLower(reply), "connection: close")
		})
	}
	s.over(t, "http").get("/pid").want(t, 200)
}

// TestLimits: the options of the limits do what they say.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--limit-request-line", "100", "--limit-request-fields", "5",
		"--limit-request-field_size", "50", "--max-body-size", "1000")...)
	c := s.over(t, "http")
	line := func(n int) string { return "/" + strings.Repeat("a", n-len("GET / HTTP/1.1")) }
	equal(t, "line at its limit", statusOf(t, s.exchange("GET "+line(100)+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), 200)
	equal(t, "line over it", statusOf(t, s.exchange("GET "+line(101)+" HTTP/1.1\r\nHost: x\r\n\r\n")), 414)
	equal(t, "fields over", statusOf(t, s.exchange("GET / HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("A: b\r\n", 5)+"\r\n")), 431)
	equal(t, "field over", statusOf(t, s.exchange("GET / HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("b", 60)+"\r\n\r\n")), 431)

	equal(t, "body at its limit", statusOf(t, s.exchange("POST /unread HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("x", 1000))), 200)
	equal(t, "body over it", statusOf(t, s.exchange("POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")), 413)
	chunked := "POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("64\r\n"+strings.Repeat("x", 100)+"\r\n", 11)
	equal(t, "chunked body over it", statusOf(t, s.exchange(chunked+"0\r\n\r\n")), 413)
	c.get("/pid").want(t, 200)
}

// TestDeadlines: clients that stop are told, or let go, after their time.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--header-timeout", "1s", "--body-timeout", "1s", "--keep-alive", "1s")...)
	for name, test := range map[string]struct {
		raw  string
		want string
	}{
		"head":         {"GET /pid HTTP/1.1\r\nHost:", "HTTP/1.1 408"},
		"body":         {"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 408"},
		"silence":      {"", ""},
		"next request": {"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.in(t).dial()
			if _, err := io.WriteString(c, test.raw); err != nil {
				t.Fatal(err)
			}
			reply, err := io.ReadAll(c)
			if isTimeout(err) || !strings.HasPrefix(string(reply), test.want) {
				t.Errorf("%q, %v", reply, err)
			}
		})
	}
}

// TestNoKeepAlive: with --keep-alive 0 no connection is kept, and all that needs one
// for longer than a response works.
func TestNoKeepAlive(t *testing.T) {
	t.Parallel()
	s := start(t, app("websocket_app:app", "asgi", "--http-protocols", "h1,h2,h3", "--keep-alive", "0")...)
	for _, scheme := range versions {
		c := s.over(t, scheme)
		for range 3 {
			c.get("/plain").want(t, 404)
		}
		if scheme != "h3" {
			w := c.socket(s, "/echo")
			w.Text("a")
			w.Expect("text a")
			w.Close(ws.NormalClosure, "")
		}
		seen := s.over(t, "http")
		s.eventually("no connection is open but the one that asks", func() bool { return seen.document().Connections == 1 })
	}
	two := strings.Repeat("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n", 2)
	if reply := s.exchange(two); strings.Count(reply, "HTTP/1.1 404") != 1 || !strings.Contains(reply, "Connection: close") {
		t.Errorf("%q", reply)
	}
}

// TestConnections: keep-alive, pipelining, versions and expectations.
func TestConnections(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("wsgi_probe:app", model)...)
			t.Run("pipelined in order", func(t *testing.T) {
				s := s.in(t)
				var raw strings.Builder
				for i := range 30 {
					fmt.Fprintf(&raw, "GET /%d HTTP/1.1\r\nHost: x\r\n", i)
					if i == 29 {
						raw.WriteString("Connection: close\r\n")
					}
					raw.WriteString("\r\n")
				}
				from := bufio.NewReader(strings.NewReader(s.exchange(raw.String())))
				for i := range 30 {
					equal(t, "body", string(unhex(t, readAnswer(t, from, nil).body)), fmt.Sprintf("/%d", i))
				}
				if rest, _ := io.ReadAll(from); len(rest) > 0 {
					t.Errorf("after the last answer: %q", rest)
				}
			})
			t.Run("pipelined with bodies", func(t *testing.T) {
				s := s.in(t)
				raw := ""
				for _, body := range []string{"one", "", "three"} {
					raw += fmt.Sprintf("POST /read?how=to_end HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				}
				raw += "POST /read?how=to_end HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfo\r\n2\r\nur\r\n0\r\nTrailer: x\r\n\r\n"
				raw += "GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
				from := bufio.NewReader(strings.NewReader(s.exchange(raw)))
				for _, body := range []string{"one", "", "three", "four"} {
					equal(t, "digest of "+body, readAnswer(t, from, nil).body, digest([]byte(body)))
				}
				readAnswer(t, from, nil).want(t, 200)
			})
			t.Run("HTTP/1.0", func(t *testing.T) {
				s := s.in(t)
				reply := s.exchange("GET /pid HTTP/1.0\r\n\r\n")
				equal(t, "status", statusOf(t, reply), 200)
				// Without a length the end of the connection is the end of the body, never chunks.
				reply = s.exchange("GET /generator?n=2 HTTP/1.0\r\n\r\n")
				head, body, _ := strings.Cut(reply, "\r\n\r\n")
				equal(t, "body", body, "piece 0\npiece 1\n")
				if strings.Contains(strings.ToLower(head), "transfer-encoding") {
					t.Errorf("chunked for HTTP/1.0:\n%s", head)
				}
			})
			t.Run("100-continue", func(t *testing.T) {
				c := s.in(t).dial()
				fmt.Fprint(c, "POST /read?how=all HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
				from := bufio.NewReader(c)
				interim, err := http.ReadResponse(from, nil)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "interim", interim.StatusCode, 100)
				fmt.Fprint(c, "abc")
				equal(t, "digest", readAnswer(t, from, nil).body, digest([]byte("abc")))
			})
			t.Run("absolute form", func(t *testing.T) {
				s := s.in(t)
				reply := s.exchange("GET http://other.example/environ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				contains(t, reply, `"PATH_INFO": "/environ"`, `"HTTP_HOST": "other.example"`)
			})
			t.Run("OPTIONS *", func(t *testing.T) {
				s := s.in(t)
				reply := s.exchange("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				equal(t, "status", statusOf(t, reply)/100, 2)
			})
			t.Run("standard fields", func(t *testing.T) {
				a := s.over(t, "http").get("/pid")
				date, err := http.ParseTime(a.Header.Get("Date"))
				if err != nil || time.Since(date).Abs() > time.Minute {
					t.Errorf("Date: %q", a.Header.Get("Date"))
				}
			})
		})
	}
}

// TestHalfClose: a client that has sent all it will send is still answered.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("wsgi_probe:app", model)...)
			c := s.dial()
			fmt.Fprint(c, "POST /read?how=all HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
			if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			var reply bytes.Buffer
			if _, err := reply.ReadFrom(c); err != nil {
				t.Fatal(err)
			}
			contains(t, reply.String(), digest([]byte("abc")))
		})
	}
}
