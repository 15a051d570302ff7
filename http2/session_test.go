package http2

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/loop"
)

func TestMatch(t *testing.T) {
	p := Protocol(hello)
	for _, tt := range []struct {
		alpn, head string
		want       loop.Verdict
	}{
		{"h2", "", loop.Yes},
		{"http/1.1", preface, loop.No},
		{"", "P", loop.Maybe},
		{"", preface[:23], loop.Maybe},
		{"", preface + "x", loop.Yes},
		{"", "PUT / HTTP/1.1\r\n", loop.No},
		{"", "PRI * HTTP/2.0\r\n\r\nXX", loop.No},
	} {
		if got := p.Match(tt.alpn, []byte(tt.head)); got != tt.want {
			t.Errorf("%q, %q: %v, want %v", tt.alpn, tt.head, got, tt.want)
		}
	}
	if got := (Config{NoCleartext: true}).Protocol(hello).Match("", []byte(preface)); got != loop.No {
		t.Errorf("without cleartext: %v", got)
	}
}

func TestRespond(t *testing.T) {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		must(t, x.Respond(200, fields("Content-Type", "text/plain", "X-A", "1"), []byte("hi")))
		if err := x.Respond(200, nil, nil); !errors.Is(err, asteri.ErrClosed) {
			t.Errorf("second answer: %v", err)
		}
	}))
	c.get(1, "/")
	c.want("HEADERS 1: :status=200 content-type=text/plain x-a=1 content-length=2 server=asteri-loop", "DATA 1 end: hi")
}

// The second time fields go into the table, the third time they come from it.
func TestRepeatedHeads(t *testing.T) {
	c := newClient(t, Config{}, hello)
	var sizes []int
	for id := uint32(1); id < 9; id += 2 {
		c.headers(id, true, request("GET", "/")...)
		c.send()
		sizes = append(sizes, len(c.conn.out))
		c.want("HEADERS "+string('0'+byte(id))+": :status=200 content-length=5 server=asteri-loop", "DATA "+string('0'+byte(id))+" end: hello")
	}
	if sizes[2] > sizes[0]/2 || sizes[3] != sizes[2] {
		t.Errorf("responses take %d bytes", sizes)
	}
}

func TestRequest(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.headers(1, true, request("GET", "/a%20b?x=1&y", "cookie", "a=1", "x-b", "", "cookie", "b=2", "te", "trailers", "cookie", "c=3")...)
	c.send()
	r := k.last(t).Request()
	if r.Method != "GET" || r.Proto != asteri.HTTP2 || r.Scheme != "http" || string(r.Target) != "/a%20b?x=1&y" ||
		string(r.Path) != "/a%20b" || string(r.Query) != "x=1&y" || string(r.Authority) != "a.example" || r.ContentLength != 0 || r.HasBody() {
		t.Errorf("request is %+v", r)
	}
	var got []string
	for _, f := range r.Header.Fields() {
		got = append(got, string(f.Name)+"="+string(f.Value))
	}
	if want := "cookie=a=1; b=2; c=3|x-b=|te=trailers"; strings.Join(got, "|") != want {
		t.Errorf("fields are %q", got)
	}
	if r.Peer.Remote != c.conn.info.Remote {
		t.Errorf("peer is %v", r.Peer.Remote)
	}
	if err := k.last(t).Finish(nil); err == nil {
		t.Error("finished without a response")
	}
	c.want("HEADERS 1: :status=500 content-type=text/plain; charset=utf-8 content-length=26 server=asteri-loop", "DATA 1 end: 500 Internal Server Error\n")
}

// Malformed requests end their stream and nothing else, and reach no handler.
func TestMalformedRequests(t *testing.T) {
	with := func(more ...string) []string { return request("GET", "/", more...) }
	for name, head := range map[string][]string{
		"no method":           {":scheme", "http", ":path", "/", ":authority", "a"},
		"no scheme":           {":method", "GET", ":path", "/", ":authority", "a"},
		"no path":             {":method", "GET", ":scheme", "http", ":authority", "a"},
		"empty path":          {":method", "GET", ":scheme", "http", ":path", "", ":authority", "a"},
		"relative path":       {":method", "GET", ":scheme", "http", ":path", "a", ":authority", "a"},
		"asterisk":            {":method", "GET", ":scheme", "http", ":path", "*", ":authority", "a"},
		"space in path":       {":method", "GET", ":scheme", "http", ":path", "/a b", ":authority", "a"},
		"fragment":            {":method", "GET", ":scheme", "http", ":path", "/a#b", ":authority", "a"},
		"bad escape":          {":method", "GET", ":scheme", "http", ":path", "/%zz", ":authority", "a"},
		"two methods":         {":method", "GET", ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"},
		"bad method":          {":method", "G T", ":scheme", "http", ":path", "/", ":authority", "a"},
		"late pseudo":         with(":authority", "a"),
		"status":              {":status", "200", ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"},
		"unknown pseudo":      {":nonsense", "1", ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"},
		"protocol of GET":     {":method", "GET", ":protocol", "x", ":scheme", "http", ":path", "/", ":authority", "a"},
		"no authority":        {":method", "GET", ":scheme", "http", ":path", "/"},
		"empty authority":     {":method", "GET", ":scheme", "http", ":path", "/", ":authority", ""},
		"user in authority":   {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "u@a"},
		"other host":          with("host", "b.example"),
		"two hosts":           with("host", "a.example", "host", "a.example"),
		"upper case":          with("X-A", "1"),
		"empty name":          with("", "1"),
		"space in name":       with("a b", "1"),
		"line feed in value":  with("a", "1\n2"),
		"NUL in value":        with("a", "1\x002"),
		"space before value":  with("a", " 1"),
		"tab behind value":    with("a", "1\t"),
		"connection":          with("connection", "close"),
		"keep-alive":          with("keep-alive", "1"),
		"proxy-connection":    with("proxy-connection", "close"),
		"transfer-encoding":   with("transfer-encoding", "chunked"),
		"upgrade":             with("upgrade", "h2c"),
		"te":                  with("te", "gzip"),
		"bad length":          with("content-length", "1x"),
		"two lengths":         with("content-length", "0", "content-length", "0"),
		"length without body": with("content-length", "1"),
		"NUL in cookie crumb": with("cookie", "a", "cookie", "b\x00"),
		"CONNECT with path":   {":method", "CONNECT", ":path", "/", ":authority", "a:1"},
		"CONNECT to nowhere":  {":method", "CONNECT"},
		"CONNECT no port":     {":method", "CONNECT", ":authority", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) { t.Error("served"); must(t, x.Respond(200, nil, nil)) }))
			c.headers(1, true, head...)
			c.send()
			c.want("RST_STREAM 1: PROTOCOL_ERROR")
			if !c.conn.open() {
				t.Error("the connection has ended")
			}
		})
	}
}

// Requests that are understood and not served are answered.
func TestRefusedRequests(t *testing.T) {
	limits := asteri.WithLimits(asteri.Limits{Head: 2000, FieldSize: 500, Fields: 10, RequestLine: 300, Body: 1000})
	many := request("GET", "/")
	for range 11 {
		many = append(many, "a", "b")
	}
	for name, tt := range map[string]struct {
		head   []string
		status string
	}{
		"head":        {request("GET", "/", "a", strings.Repeat("x", 490), "b", strings.Repeat("x", 490), "c", strings.Repeat("x", 490), "d", strings.Repeat("x", 490)), "431"},
		"field":       {request("GET", "/", "a", strings.Repeat("x", 501)), "431"},
		"fields":      {many, "431"},
		"target":      {request("GET", "/"+strings.Repeat("x", 300)), "414"},
		"connect":     {[]string{":method", "CONNECT", ":authority", "a:443"}, "501"},
		"expectation": {request("GET", "/", "expect", "miracles"), "417"},
		"length":      {request("POST", "/", "content-length", "1001"), "413"},
		"huge length": {request("POST", "/", "content-length", "99999999999999999999"), "413"},
		"scheme":      {[]string{":method", "GET", ":scheme", "ftp", ":path", "/", ":authority", "a"}, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
				if string(x.Request().Path) != "/good" {
					t.Error("served")
				}
				must(t, x.Respond(200, nil, nil))
			}), limits)
			c.headers(1, tt.head[1] != "POST", tt.head...)
			c.send()
			if got := c.frames(); len(got) < 2 || !strings.HasPrefix(got[0], "HEADERS 1: :status="+tt.status+" ") {
				t.Errorf("got %q, want %s", got, tt.status)
			}
			c.get(3, "/good") // the table of fields is still right
			c.want("HEADERS 3 end: :status=200 content-length=0 server=asteri-loop")
		})
	}
}

func TestOptionsAsterisk(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.headers(1, true, ":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "a")
	c.send()
	if r := k.last(t).Request(); string(r.Path) != "*" || string(r.Target) != "*" {
		t.Errorf("%q %q", r.Path, r.Target)
	}
}

func TestHostStandsInForAuthority(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.headers(1, true, ":method", "GET", ":scheme", "http", ":path", "/", "host", "B.example:81")
	c.send()
	if r := k.last(t).Request(); string(r.Authority) != "B.example:81" {
		t.Errorf("%q", r.Authority)
	}
}

func TestFraming(t *testing.T) {
	for _, tt := range []struct {
		name, method string
		status       int
		h            *asteri.Header
		body         string
		want         []string
	}{
		{"length", "GET", 200, fields("Content-Length", "5"), "hello", []string{"HEADERS 1: :status=200 content-length=5", "DATA 1: hello", "DATA 1 end: "}},
		{"no length", "GET", 200, nil, "hello", []string{"HEADERS 1: :status=200", "DATA 1: hello", "DATA 1 end: "}},
		{"HEAD", "HEAD", 200, fields("Content-Length", "5"), "hello", []string{"HEADERS 1: :status=200 content-length=5", "DATA 1 end: "}},
		{"204", "GET", 204, fields("Content-Length", "0"), "", []string{"HEADERS 1: :status=204", "DATA 1 end: "}},
		{"205", "GET", 205, nil, "", []string{"HEADERS 1: :status=205 content-length=0", "DATA 1 end: "}},
		{"304", "GET", 304, fields("Content-Length", "5"), "", []string{"HEADERS 1: :status=304 content-length=5", "DATA 1 end: "}},
		{"close is dropped", "GET", 200, fields("Connection", "close"), "", []string{"HEADERS 1: :status=200", "DATA 1 end: "}},
		{"426", "GET", 426, fields("Upgrade", "h2c"), "", []string{"HEADERS 1: :status=426", "DATA 1 end: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
				must(t, x.Start(tt.status, tt.h))
				if tt.body != "" {
					_, err := x.Write([]byte(tt.body))
					must(t, err)
				}
				must(t, x.Finish(nil))
			}), asteri.WithServer(""))
			c.headers(1, true, request(tt.method, "/")...)
			c.send()
			c.want(tt.want...)
		})
	}
}

func TestRespondWithoutContent(t *testing.T) {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) { must(t, x.Respond(304, nil, nil)) }), asteri.WithServer(""))
	c.get(1, "/")
	c.want("HEADERS 1 end: :status=304")
}

func TestRefusedResponses(t *testing.T) {
	for name, h := range map[string]*asteri.Header{
		"name":              fields("a b", "1"),
		"value":             fields("a", "1\r\nb: 2"),
		"transfer-encoding": fields("Transfer-Encoding", "chunked"),
		"keep-alive":        fields("Keep-Alive", "1"),
		"connection":        fields("Connection", "upgrade"),
		"upgrade":           fields("Upgrade", "x"),
		"two lengths":       fields("Content-Length", "1", "content-length", "1"),
		"bad length":        fields("Content-Length", "-1"),
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
				var mistake *asteri.ResponseError
				if err := x.Start(200, h); !errors.As(err, &mistake) {
					t.Errorf("error is %v", err)
				}
				if err := x.Respond(200, nil, nil); !errors.Is(err, asteri.ErrClosed) {
					t.Errorf("the exchange goes on: %v", err)
				}
			}), asteri.WithServer(""))
			c.get(1, "/")
			c.want("HEADERS 1: :status=500 content-type=text/plain; charset=utf-8 content-length=26", "DATA 1 end: 500 Internal Server Error\n")
		})
	}
}

func TestWrongLengths(t *testing.T) {
	for name, content := range map[string]string{"more": "123456", "less": "1234"} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
				must(t, x.Start(200, fields("Content-Length", "5")))
				_, err := x.Write([]byte(content))
				if err == nil {
					err = x.Finish(nil)
				}
				var mistake *asteri.ResponseError
				if !errors.As(err, &mistake) {
					t.Errorf("error is %v", err)
				}
			}), asteri.WithServer(""))
			c.get(1, "/")
			got := c.frames()
			if last := got[len(got)-1]; last != "RST_STREAM 1: INTERNAL_ERROR" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestTrailersAndInterim(t *testing.T) {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		must(t, x.Inform(103, fields("Link", "</a>; rel=preload")))
		if err := x.Inform(101, nil); err == nil {
			t.Error("101 is taken")
		}
		must(t, x.Start(200, nil))
		_, err := x.Write([]byte("a"))
		must(t, err)
		must(t, x.Finish(fields("X-Sum", "1")))
	}), asteri.WithServer(""))
	c.get(1, "/")
	c.want("HEADERS 1: :status=103 link=</a>; rel=preload", "HEADERS 1: :status=200", "DATA 1: a", "HEADERS 1 end: x-sum=1")
}

func TestLargeHeadIsContinued(t *testing.T) {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		must(t, x.Respond(200, fields("x-a", strings.Repeat("\\", 30000)), []byte("b")))
	}), asteri.WithServer(""))
	c.get(1, "/")
	c.want("HEADERS 1: :status=200 x-a=30000 bytes content-length=1", "DATA 1 end: b")
}

func TestBody(t *testing.T) {
	var got bodyLog
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		if x.Request().ContentLength != -1 {
			t.Errorf("length is %d", x.Request().ContentLength)
		}
		x.ReadBody(&got)
	}))
	c.headers(1, false, request("POST", "/", "expect", "100-continue")...)
	c.send()
	c.want("HEADERS 1: :status=100")
	must(t, c.WriteData(1, false, []byte("abc")))
	must(t, c.WriteDataPadded(1, false, []byte("def"), make([]byte, 7)))
	c.send()
	c.headers(1, true, "x-sum", "6")
	c.send()
	if string(got.body) != "abcdef" || got.ends != 1 || string(got.trailer.Get("x-sum")) != "6" {
		t.Errorf("%q, %d ends, %v", got.body, got.ends, got.trailer)
	}
	c.want()
}

// A body that comes before it is asked for waits, and so does what the window does
// not admit; the client gets room as the handler consumes.
func TestBodyWaits(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{InitialWindow: 200_000}, k)
	c.headers(1, false, request("POST", "/")...)
	for range 12 {
		must(t, c.WriteData(1, false, make([]byte, 16384)))
	}
	must(t, c.WriteData(1, true, nil))
	c.send()
	x := k.last(t)
	var got bodyLog
	x.ReadBody(&got)
	if len(got.body) != 0 {
		t.Error("delivered from within ReadBody")
	}
	c.settle()
	if len(got.body) != asteri.BodyWindow {
		t.Fatalf("%d bytes were delivered, not a window", len(got.body))
	}
	for range 10 {
		x.Consumed(min(20000, 12*16384))
		c.settle()
	}
	if len(got.body) != 12*16384 || got.ends != 1 {
		t.Errorf("%d bytes, %d ends", len(got.body), got.ends)
	}
}

func TestWindowsAreGivenBack(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.headers(1, false, request("POST", "/")...)
	must(t, c.WriteData(1, false, make([]byte, 16384)))
	must(t, c.WriteData(1, false, make([]byte, 16384)))
	c.send()
	x := k.last(t)
	x.ReadBody(new(bodyLog))
	c.settle()
	c.want()
	x.Consumed(30000)
	c.want()
	x.Consumed(2768)
	c.want("WINDOW_UPDATE 1: 32768")
	for range 32 { // an unread stream does not close the connection's window
		id := c.session().last + 2
		c.headers(id, false, request("POST", "/")...)
		must(t, c.WriteData(id, false, make([]byte, 16384)))
		c.send()
	}
	c.want("WINDOW_UPDATE 0: 524288")
}

func TestMoreThanTheWindow(t *testing.T) {
	c := newClient(t, Config{}, new(keeper))
	c.headers(1, false, request("POST", "/")...)
	for range 5 {
		must(t, c.WriteData(1, false, make([]byte, 16384)))
	}
	c.send()
	c.want("RST_STREAM 1: FLOW_CONTROL_ERROR")
}

func TestContentLengthIsChecked(t *testing.T) {
	for name, write := range map[string]func(c *client){
		"more": func(c *client) { must(t, c.WriteData(1, false, []byte("123456"))) },
		"less": func(c *client) { must(t, c.WriteData(1, true, []byte("1234"))) },
		"less, with a trailer": func(c *client) {
			must(t, c.WriteData(1, false, []byte("1234")))
			c.headers(1, true, "a", "b")
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := new(keeper)
			c := newClient(t, Config{}, k)
			c.headers(1, false, request("POST", "/", "content-length", "5")...)
			c.send()
			var cause error
			k.last(t).OnCancel(func(err error) { cause = err })
			write(c)
			c.send()
			c.want("RST_STREAM 1: PROTOCOL_ERROR")
			if cause == nil {
				t.Error("the handler was not told")
			}
		})
	}
}

func TestBodyLimit(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k, asteri.WithLimits(asteri.Limits{Body: 5}), asteri.WithServer(""))
	c.headers(1, false, request("POST", "/")...)
	c.send()
	var got bodyLog
	k.last(t).ReadBody(&got)
	must(t, c.WriteData(1, false, []byte("123456")))
	c.send()
	if len(got.errs) != 1 {
		t.Errorf("errors are %v", got.errs)
	}
	c.want("HEADERS 1: :status=413 content-type=text/plain; charset=utf-8 content-length=50", "DATA 1 end: 50 bytes")
}

// A response to a request that is not over: a short rest is awaited, a long one is
// not wanted.
func TestEarlyResponse(t *testing.T) {
	c := newClient(t, Config{}, hello, asteri.WithServer(""))
	c.headers(1, false, request("POST", "/", "content-length", "5")...)
	c.headers(3, false, request("POST", "/", "content-length", "500000")...)
	c.headers(5, false, request("POST", "/")...)
	c.send()
	c.want("HEADERS 1: :status=200 content-length=5", "DATA 1 end: hello",
		"HEADERS 3: :status=200 content-length=5", "DATA 3 end: hello", "RST_STREAM 3: NO_ERROR",
		"HEADERS 5: :status=200 content-length=5", "DATA 5 end: hello")
	must(t, c.WriteData(1, true, []byte("12345")))
	must(t, c.WriteData(3, false, []byte("12345"))) // was on its way
	c.send()
	c.want()
	c.conn.expire(c.home, bodyTimer)
	c.want("RST_STREAM 5: NO_ERROR")
	if n := len(c.session().streams.Open); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

func TestBodyDeadlines(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k, asteri.WithServer(""), asteri.WithTimeouts(asteri.Timeouts{BodyRate: -1}))
	c.headers(1, false, request("POST", "/")...)
	c.headers(3, false, request("POST", "/")...)
	c.send()
	var first, second bodyLog
	k.got[0].ReadBody(&first)
	must(t, k.got[1].Start(200, nil))
	k.got[1].ReadBody(&second)
	c.frames()
	c.home.time = c.home.time.Add(20 * time.Second)
	must(t, c.WriteData(3, false, []byte("1"))) // moves its deadline
	c.send()
	c.home.time = c.home.time.Add(-20 * time.Second)
	c.conn.expire(c.home, bodyTimer)
	if len(first.errs) != 1 || len(second.errs) != 0 {
		t.Fatalf("%v, %v", first.errs, second.errs)
	}
	if got := c.frames(); !strings.HasPrefix(got[0], "HEADERS 1: :status=408") {
		t.Errorf("got %q", got)
	}
	c.conn.expire(c.home, bodyTimer)
	c.want("RST_STREAM 1: NO_ERROR") // its client has had time
	c.conn.expire(c.home, bodyTimer)
	if len(second.errs) != 1 {
		t.Errorf("%v", second.errs)
	}
	_, err := k.got[1].Write([]byte("a"))
	must(t, err)
	must(t, k.got[1].Finish(nil)) // a response that has begun may go on
	c.want("DATA 3: a", "DATA 3 end: ")
}

func TestSlowBody(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{}, k, asteri.WithTimeouts(asteri.Timeouts{BodyRate: 100, Body: 10 * time.Second}), asteri.WithServer(""))
	c.headers(1, false, request("POST", "/")...)
	c.send()
	var got bodyLog
	k.last(t).ReadBody(&got)
	for range 8 {
		c.home.time = c.home.time.Add(2 * time.Second)
		must(t, c.WriteData(1, false, []byte("1")))
		c.send()
	}
	if len(got.errs) != 1 {
		t.Errorf("errors are %v", got.errs)
	}
}

func TestSendFile(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	name := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(name, content, 0o600))
	k := new(keeper)
	c := newClient(t, Config{}, k)
	must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
	must(t, c.WriteWindowUpdate(0, 1<<20))
	c.get(1, "/")
	c.frames()
	x := k.last(t)
	f, err := os.Open(name)
	must(t, err)
	must(t, x.Start(200, fields("content-length", "319986")))
	_, err = x.Write([]byte("ab"))
	must(t, err)
	must(t, x.SendFile(f, 16, int64(len(content)-16)))
	must(t, x.Finish(nil))
	size := 0
	for end := time.Now().Add(10 * time.Second); ; {
		c.settle()
		done := false
		for len(c.conn.out) > 0 {
			h := parseFrameHeader(c.conn.out)
			p := c.conn.out[frameHeaderLen:][:h.length]
			c.conn.out = c.conn.out[frameHeaderLen+h.length:]
			if h.kind == frameData {
				want := content[16+max(size-2, 0):]
				if size == 0 {
					want = []byte("ab")
				}
				if !bytes.HasPrefix(want, p) {
					t.Fatal("the content is not that of the file")
				}
				size += len(p)
				done = h.has(flagEndStream)
			}
		}
		if done {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d bytes came", size)
		}
	}
	if size != len(content)-14 {
		t.Errorf("%d bytes came", size)
	}
}

func TestFileThatIsTooShort(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(name, []byte("1234"), 0o600))
	k := new(keeper)
	c := newClient(t, Config{}, k)
	c.get(1, "/")
	f, err := os.Open(name)
	must(t, err)
	must(t, k.last(t).Start(200, nil))
	must(t, k.last(t).SendFile(f, 0, 10))
	must(t, k.last(t).Finish(nil))
	var got []string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		c.settle()
		got = append(got, c.frames()...)
		if last := got[len(got)-1]; last == "RST_STREAM 1: INTERNAL_ERROR" {
			return
		}
	}
	t.Errorf("got %q", got)
}

func TestPanics(t *testing.T) {
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		if string(x.Request().Path) == "/late" {
			must(t, x.Start(200, nil))
		}
		panic(errTest)
	}), asteri.WithServer(""))
	c.get(1, "/")
	c.want("HEADERS 1: :status=500 content-type=text/plain; charset=utf-8 content-length=26", "DATA 1 end: 500 Internal Server Error\n")
	c.get(3, "/late")
	c.want("HEADERS 3: :status=200", "RST_STREAM 3: INTERNAL_ERROR")
}

func TestStreamsAreUsedAgain(t *testing.T) {
	var seen []asteri.Exchange
	c := newClient(t, Config{}, asteri.HandlerFunc(func(x asteri.Exchange) {
		seen = append(seen, x)
		if string(x.Request().Path) == "/kept" {
			x.OnCancel(func(error) {})
		}
		must(t, x.Respond(200, nil, nil))
	}))
	c.get(1, "/")
	c.get(3, "/kept")
	c.get(5, "/")
	if seen[0] != seen[1] && !callback.Debug || seen[1] == seen[2] {
		t.Error("a stream that nobody kept is used again, one that was kept is not")
	}
}
