//go:build linux

package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// leaveOver asks for path and leaves: an event stream once it has said something, else an
// application that has said by word that it has the request.
func (s *server) leaveOver(t *testing.T, scheme, path, word string) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	c := s.over(t, scheme)
	before := strings.Count(s.log.text(), word)
	begun, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		a, err := c.http.Do(c.request("GET", path, nil).WithContext(ctx))
		if err != nil {
			return
		}
		defer a.Body.Close()
		if _, err := io.ReadFull(a.Body, make([]byte, len("data: x"))); err == nil {
			close(begun)
		}
		_, _ = io.Copy(io.Discard, a.Body)
	}()
	if word != "" {
		s.eventually("the application has it", func() bool { return strings.Count(s.log.text(), word) > before })
	} else {
		select {
		case <-begun:
		case <-time.After(patience):
			t.Fatal("the stream does not begin")
		}
	}
	leave()
	<-gone
}

// TestClientsThatLeaveAreNobodysFailure: an event stream or a long poll whose client goes
// is no failure of the application, neither in the log nor in the access log nor in the
// metrics, whichever way the client goes.
func TestClientsThatLeaveAreNobodysFailure(t *testing.T) {
	t.Parallel()
	s := start(t, app("parting:app", "asgi", "--access-logfile", "-",
		"--access-logformat", "%(U)s %(s)s %({outcome}x)s")...)
	seen := 0
	for i, scheme := range []string{"http", "h2c"} {
		for _, test := range []struct{ path, word, status string }{
			{"/events", "", "200"}, {"/quiet", "", "200"},
			{"/raw/poll", "entered /poll", "499"}, {"/raw/raises", "entered /raises", "499"},
		} {
			s.leaveOver(t, scheme, test.path, test.word)
			seen++
			line := fmt.Sprintf("%s %s client_gone\n", test.path, test.status)
			s.eventually(scheme+" "+strings.TrimSpace(line), func() bool { return strings.Count(s.log.outText(), line) == i+1 })
		}
	}

	// Some close their sending side only, and read on.
	conn := s.dial()
	defer conn.Close()
	fmt.Fprint(conn, "GET /raw/poll HTTP/1.1\r\nHost: x\r\n\r\n")
	s.eventually("it has begun", func() bool { return strings.Count(s.log.text(), "entered /poll") == 3 })
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	reply, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(reply), "HTTP/1.1 499 ") {
		t.Errorf("a client that reads on got %q, %v", reply, err)
	}
	seen++

	c := s.over(t, "http")
	s.eventually("all are counted", func() bool {
		return metric(t, c, "asteri_requests_unclean_total", `reason="client_gone"`) == float64(seen)
	})
	equal(t, "responses 5xx", metric(t, c, "asteri_requests_total", `status_class="5xx"`), 0)
	equal(t, "responses 4xx", metric(t, c, "asteri_requests_total", `status_class="4xx"`), 0)
	if strings.Contains(s.log.text(), "[ERROR]") {
		t.Errorf("the log holds an error:\n%s", s.log.tail())
	}
	// What an application raises that knows that it is alone is worth a word still.
	equal(t, "warnings", strings.Count(s.log.text(), "the application failed after its client had left"), 2)
}

// TestFailuresAreOneRecord: a request that fails, however far its response is, has one
// record, with the exception's type and text, its traceback and the request.
func TestFailuresAreOneRecord(t *testing.T) {
	t.Parallel()
	type record struct {
		Level, Message, Error, Traceback, Path string
		ID                                     string `json:"request_id"`
	}
	for _, tc := range []struct{ app, model, prefix string }{
		{"parting:app", "asgi", "/raw"}, {"parting:wsgi", "sync", ""}, {"parting:wsgi", "gthread", ""}, {"parting:wsgi", "gevent", ""},
		{"parting:wsgi", "asgi", ""}, {"parting:wsgi", "tornado", ""}, {"parting:wsgi", "gtornado", ""},
	} {
		t.Run(tc.app+" "+tc.model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(tc.app, tc.model, "--log-format", "json")...)
			c := s.over(t, "http")
			for path, text := range map[string]string{"/early": "before the answer", "/half": "in the answer", "/late": "after the answer"} {
				_, _ = c.try(c.request("POST", tc.prefix+path, nil))
				s.eventually("the log has it", func() bool { return strings.Contains(s.log.text(), text) })
				var of []record
				for line := range strings.Lines(s.log.errText()) {
					var r record
					if strings.Contains(line, text) && json.Unmarshal([]byte(line), &r) == nil {
						of = append(of, r)
					}
				}
				if len(of) != 1 {
					t.Fatalf("%s: %d records:\n%s", path, len(of), s.log.tail())
				}
				r := of[0]
				equal(t, path+": level", r.Level, "ERROR")
				equal(t, path+": error", r.Error, "parting.PartingError: "+text)
				equal(t, path+": path", r.Path, tc.prefix+path)
				equal(t, path+": length of the id", len(r.ID), 32)
				if !strings.HasPrefix(r.Message, "the application failed") || !strings.HasPrefix(r.Traceback, "Traceback") {
					t.Errorf("%s: %+v", path, r)
				}
			}
		})
	}
}

// TestTracebacksThatAreLoggedAreOneRecord: a framework that logs an exception itself says
// the same of it.
func TestTracebacksThatAreLoggedAreOneRecord(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ app, model, path, raised, message string }{
		{"parting:native()", "tornado", "/early", "parting.PartingError: before the answer", "Uncaught exception GET /early"},
		{"flask_app:app", "sync", "/error", "RuntimeError: the secret of the failing", "Exception on /error [GET]"},
	} {
		t.Run(tc.app, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(tc.app, tc.model, "--log-format", "json")...)
			s.over(t, "http").get(tc.path).want(t, 500)
			s.awaitLog(`Traceback`)
			var r struct {
				Level, Message, Error, Traceback string
				ID                               string `json:"request_id"`
			}
			line := lineWith(s.log.errText(), "Traceback")
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			contains(t, r.Error, tc.raised)
			contains(t, r.Message, tc.message)
			equal(t, "level", r.Level, "ERROR")
			equal(t, "length of the id", len(r.ID), 32)
			if strings.Contains(r.Message, "Traceback") || !strings.HasPrefix(r.Traceback, "Traceback") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestFailuresOfWebSocketsAreOneRecord: so is one in a WebSocket, which names its request
// too. A client that leaves a socket which waits for messages is no failure.
func TestFailuresOfWebSocketsAreOneRecord(t *testing.T) {
	t.Parallel()
	s := start(t, app("parting:app", "asgi")...)
	open := func(path string) net.Conn {
		conn := s.dial()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
		return conn
	}
	conn := open("/socket/fails")
	defer conn.Close()
	s.awaitLog(`\[ERROR\] the application failed in a WebSocket .*error="parting.PartingError: in the socket" method=GET path=/socket/fails request_id=[0-9a-f]{32}`)
	conn = open("/socket/waits")
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	s.eventually("the socket is closed", func() bool {
		return metric(t, s.over(t, "http"), "asteri_websockets") == 0 && metric(t, s.over(t, "http"), "asteri_websockets_opened_total") == 2
	})
	// This one leaves before it is accepted, perhaps.
	open("/socket/waits").Close()
	s.eventually("its request has ended", func() bool { return metric(t, s.over(t, "http"), "asteri_requests_total", `app=""`) == 3 })
	equal(t, "errors", strings.Count(s.log.text(), "[ERROR]"), 1)
}
