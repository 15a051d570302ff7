//go:build linux

package suite

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/status"
)

// requestsOf returns the records of requests that a client with the token sees.
func requestsOf(c *client, query string) (page status.LogPage) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.get("/asteri-status/logs?source=access&"+query, withToken).want(c.t, 200)), &page); err != nil {
		c.t.Fatal(err)
	}
	return page
}

// TestRequestsOnTheStatusPage: what the access log says of a request can be had from
// the status, whatever the protocol, though no access log is written; also of one
// whose worker was killed, and of none the token that it brought.
func TestRequestsOnTheStatusPage(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync", "--timeout", "1", "--status-token", suiteToken, "--access-logfile", "none")...)
	for _, scheme := range []string{"http", "https", "h2", "h2c"} {
		c := s.over(t, scheme)
		id := c.get("/pid").Header.Get("X-Request-ID")
		found := requestsOf(c, "text="+id).Records
		if len(found) != 1 {
			t.Fatalf("%s: %+v", scheme, found)
		}
		r := found[0]
		if r.Level != "INFO" || !strings.HasPrefix(r.Message, "GET /pid HTTP/") || r.Worker == 0 || r.Fields["status"] != "200" ||
			r.Fields["app_time"] == "" || r.Fields["model"] != "sync" || r.Fields["bytes_out"] == "0" {
			t.Errorf("%s: %+v", scheme, r)
		}
		if (r.Fields["tls_version"] != "") != (scheme == "https" || scheme == "h2") {
			t.Errorf("%s: TLS is %q", scheme, r.Fields["tls_version"])
		}
	}
	c := s.over(t, "http")
	g := newGate(t)
	late := s.hold(c, g).answer()
	late.want(t, 504)
	if found := requestsOf(c, "level=error&text="+late.Header.Get("X-Request-ID")).Records; len(found) != 1 || found[0].Fields["outcome"] != "refused" {
		t.Errorf("the request that timed out: %+v", found)
	}
	c.get("/asteri-status/nothing?token=" + suiteToken)
	c.get("/asteri-status?token=" + suiteToken + "x")
	if found := requestsOf(c, "text="+suiteToken).Records; len(found) != 0 {
		t.Errorf("a token is in the log: %+v", found)
	}
}

// TestRequestsAreStreamed to who asks for them, and are not among other records.
func TestRequestsAreStreamed(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "gthread", "--status-token", suiteToken)...)
	c := s.over(t, "http")
	lines := make(chan string, 100)
	response, err := c.http.Do(c.request("GET", "/asteri-status/logs/stream?source=access&text=needle", nil, withToken))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	go func() {
		defer close(lines)
		for r := bufio.NewScanner(response.Body); r.Scan(); {
			lines <- r.Text()
		}
	}()
	for i := range 3 {
		path := fmt.Sprint("/needle/", i)
		c.get(path)
		c.get("/hay")
		for line := range lines {
			if strings.Contains(line, "/hay") {
				t.Fatalf("not asked for: %s", line)
			}
			if strings.HasPrefix(line, "data: ") && strings.Contains(line, `"message":"GET `+path+` HTTP/1.1 `) {
				break
			}
		}
	}
	if page := c.get("/asteri-status/logs", withToken).want(t, 200); strings.Contains(page, "needle") {
		t.Errorf("requests are among the server's own records: %s", page)
	}
}

// TestAThousandWhoDoNotRead: listeners that take nothing, and askers that do not read
// their answers, cost the others nothing.
func TestAThousandWhoDoNotRead(t *testing.T) {
	s := start(t, app("wsgi_probe:app", "sync", "--status-token", suiteToken, "--max-connections", "4096")...)
	c := s.over(t, "http")
	paths := []string{"/asteri-status/events", "/asteri-status/events?as=html", "/asteri-status", "/metrics", "/asteri-status.json"}
	refused, conns := 0, make([]net.Conn, 1000)
	for i := range conns {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i%len(paths)]); err != nil {
			t.Fatal(err)
		}
	}
	for i, conn := range conns {
		if i%len(paths) > 1 {
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		head, err := bufio.NewReaderSize(conn, 64).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(head, " 503 ") {
			refused++
		}
	}
	if let := 2*len(conns)/len(paths) - refused; let != 32 {
		t.Errorf("%d listeners were let in", let)
	}
	for range 20 {
		c.get("/livez").want(t, 200)
		c.get("/environ").want(t, 200)
		c.get("/metrics").want(t, 200)
		if doc := c.document(withToken); doc.BufferBytes > 64<<20 {
			t.Fatalf("%d bytes wait", doc.BufferBytes)
		}
	}
	// Who has the token finds a place.
	response, err := c.http.Do(c.request("GET", "/asteri-status/events", nil, withToken))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 10)); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s, %v", response.Status, err)
	}
}
