package http1

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
)

// answer runs fn as the handler of one request and returns what was sent.
func answer(t *testing.T, in string, fn func(x asteri.Exchange), opts ...asteri.Option) (*fakeConn, string) {
	t.Helper()
	called := false
	c := newFakeConn(asteri.HandlerFunc(func(x asteri.Exchange) {
		called = true
		fn(x)
	}), opts...)
	c.feed([]byte(in))
	if !called {
		t.Fatalf("the handler was not called: %s", c.out)
	}
	return c, c.take()
}

var dateLine = regexp.MustCompile(`\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n`)

func TestRespond(t *testing.T) {
	_, out := answer(t, get, func(x asteri.Exchange) {
		must(t, x.Respond(200, fields("Content-Type", "text/plain", "X-A", "1"), []byte("hi")))
		if err := x.Respond(200, nil, nil); !errors.Is(err, asteri.ErrClosed) {
			t.Errorf("second answer: %v", err)
		}
	})
	if !dateLine.MatchString(out) {
		t.Errorf("no Date in %q", out)
	}
	want := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: 1\r\nContent-Length: 2\r\nServer: asteri-loop\r\n\r\nhi"
	if got := dateLine.ReplaceAllString(out, "\r\n"); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestRespondNotModified(t *testing.T) {
	_, out := answer(t, get, func(x asteri.Exchange) { must(t, x.Respond(304, nil, nil)) })
	wantLacks(t, out, "Content-Length") // it would be that of the content not sent
}

func TestRespondWithLargeBody(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	_, out := answer(t, get, func(x asteri.Exchange) { must(t, x.Respond(200, nil, body)) })
	wantHas(t, out, "Content-Length: 65536\r\n", "\r\n\r\n"+string(body))
}

func TestFieldsOfItsOwn(t *testing.T) {
	_, out := answer(t, get, func(x asteri.Exchange) {
		must(t, x.Respond(200, fields("server", "mine", "date", "today"), nil))
	})
	wantHas(t, out, "server: mine\r\n", "date: today\r\n")
	wantLacks(t, out, "Server:", "Date:")

	_, out = answer(t, get, func(x asteri.Exchange) { must(t, x.Respond(200, nil, nil)) }, asteri.WithServer(""))
	wantLacks(t, out, "Server:")

	_, out = answer(t, get, func(x asteri.Exchange) { must(t, x.Respond(200, nil, nil)) }, asteri.WithServer("a\r\nb"))
	wantLacks(t, out, "Server:")
}

func TestFraming(t *testing.T) {
	const (
		head11  = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
		get10   = "GET / HTTP/1.0\r\n\r\n"
		get10ka = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	)
	for _, tt := range []struct {
		name, in string
		status   int
		h        *asteri.Header
		body     string
		has      []string
		lacks    []string
		ends     string
		closed   bool
	}{
		{"length", get, 200, fields("content-length", "5"), "hello", []string{"Content-Length: 5\r\n"}, []string{"chunked"}, "\r\n\r\nhello", false},
		{"chunked", get, 200, nil, "hello", []string{"Transfer-Encoding: chunked\r\n"}, []string{"Content-Length"}, "\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false},
		{"1.0", get10, 200, nil, "hello", []string{"HTTP/1.1 200", "Connection: close\r\n"}, []string{"chunked", "Content-Length"}, "\r\n\r\nhello", true},
		{"1.0 keep-alive, no length", get10ka, 200, nil, "hello", []string{"Connection: close\r\n"}, []string{"chunked"}, "\r\n\r\nhello", true},
		{"1.0 keep-alive", get10ka, 200, fields("Content-Length", "5"), "hello", []string{"Content-Length: 5\r\n", "Connection: keep-alive\r\n"}, nil, "\r\n\r\nhello", false},
		{"HEAD", head11, 200, fields("Content-Length", "5"), "hello", []string{"Content-Length: 5\r\n"}, nil, "\r\n\r\n", false},
		{"HEAD, nothing written", head11, 200, fields("Content-Length", "5"), "", []string{"Content-Length: 5\r\n"}, nil, "\r\n\r\n", false},
		{"HEAD, no length", head11, 200, nil, "hello", nil, []string{"Content-Length", "chunked"}, "\r\n\r\n", false},
		{"204", get, 204, nil, "hello", []string{"204 No Content"}, []string{"Content-Length", "chunked"}, "\r\n\r\n", false},
		{"204 with a length", get, 204, fields("Content-Length", "0"), "", nil, []string{"Content-Length"}, "\r\n\r\n", false},
		{"205", get, 205, nil, "", []string{"Content-Length: 0\r\n"}, nil, "\r\n\r\n", false},
		{"304", get, 304, fields("Content-Length", "5"), "", []string{"Content-Length: 5\r\n"}, nil, "\r\n\r\n", false},
		{"close asked for", get, 200, fields("Connection", "Close", "Content-Length", "0"), "", []string{"Connection: close\r\n"}, nil, "\r\n\r\n", true},
		{"unknown status", get, 299, fields("Content-Length", "0"), "", []string{"HTTP/1.1 299 \r\n"}, nil, "\r\n\r\n", false},
		{"426", get, 426, fields("Upgrade", "h2c", "Content-Length", "0"), "", []string{"Upgrade: h2c\r\n", "Connection: upgrade\r\n"}, nil, "\r\n\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, out := answer(t, tt.in, func(x asteri.Exchange) {
				must(t, x.Start(tt.status, tt.h))
				if tt.body != "" {
					_, err := x.Write([]byte(tt.body))
					must(t, err)
				}
				must(t, x.Finish(nil))
			})
			wantHas(t, out, tt.has...)
			wantLacks(t, out, tt.lacks...)
			if !strings.HasSuffix(out, tt.ends) {
				t.Errorf("%q does not end in %q", out, tt.ends)
			}
			if c.closed != tt.closed {
				t.Errorf("closed %v", c.closed)
			}
		})
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	for _, h := range []*asteri.Header{
		fields("X", "a\r\nSet-Cookie: b"),
		fields("X", "a\nb"),
		fields("X", "a\x00"),
		fields("X", "0123456789\x7f"),
		fields("X\r\nY", "a"),
		fields("X Y", "a"),
		fields("", "a"),
		fields("X:", "a"),
		fields("Content-Length", "1", "content-length", "1"),
		fields("Content-Length", "+1"),
		fields("Content-Length", ""),
		fields("Content-Length", "99999999999999999999"),
		fields("Connection", "keep-alive"),
		fields("Connection", "close, x"),
		fields("Transfer-Encoding", "chunked"),
		fields("Keep-Alive", "timeout=5"),
		fields("Upgrade", "websocket"),
		fields("Proxy-Connection", "close"),
		fields("TE", "trailers"),
	} {
		f := h.At(0)
		_, out := answer(t, get, func(x asteri.Exchange) {
			var refused *asteri.ResponseError
			if err := x.Start(200, h); !errors.As(err, &refused) {
				t.Errorf("%q: %q is taken: %v", f.Name, f.Value, err)
			}
			if err := x.Respond(200, nil, nil); !errors.Is(err, asteri.ErrClosed) {
				t.Errorf("the exchange goes on: %v", err)
			}
		})
		if strings.Count(out, "HTTP/1.1 ") != 1 || !strings.HasPrefix(out, "HTTP/1.1 500 ") {
			t.Errorf("%q: %q: sent %q", f.Name, f.Value, out)
		}
	}
}

func TestCallsThatAreRefused(t *testing.T) {
	var refused *asteri.ResponseError
	want := func(t *testing.T, err error) {
		t.Helper()
		if !errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
	}
	for _, status := range []int{0, 100, 101, 199, 600, 1000, -1} {
		answer(t, get, func(x asteri.Exchange) { want(t, x.Start(status, nil)) })
	}
	answer(t, get, func(x asteri.Exchange) {
		want(t, x.Respond(200, fields("Content-Length", "2"), []byte("hi")))
	})
	for _, again := range []func(x asteri.Exchange) error{
		func(x asteri.Exchange) error { return x.Start(200, nil) },
		func(x asteri.Exchange) error { return x.Respond(200, nil, nil) },
	} {
		answer(t, get, func(x asteri.Exchange) {
			must(t, x.Start(200, nil))
			want(t, again(x))
		})
	}
	answer(t, get, func(x asteri.Exchange) {
		for _, status := range []int{0, 99, 101, 200} {
			want(t, x.Inform(status, nil))
		}
		want(t, x.Inform(103, fields("Content-Length", "1")))
		want(t, x.Inform(103, fields("X", "\n")))
		_, err := x.Write([]byte("early"))
		want(t, err)
		must(t, x.Start(200, nil))
		want(t, x.Inform(103, nil))
		must(t, x.Finish(nil))
		for _, err := range []error{x.Finish(nil), x.Start(200, nil), x.Inform(103, nil)} {
			if !errors.Is(err, asteri.ErrClosed) {
				t.Errorf("error %v", err)
			}
		}
	})
}

func TestContentLengthIsKept(t *testing.T) {
	var refused *asteri.ResponseError
	c, _ := answer(t, get, func(x asteri.Exchange) {
		must(t, x.Start(200, fields("Content-Length", "5")))
		_, err := x.Write([]byte("123"))
		must(t, err)
		if err := x.Finish(nil); !errors.As(err, &refused) {
			t.Errorf("too short: %v", err)
		}
	})
	if !errors.As(c.aborted, &refused) || c.closed {
		t.Errorf("a short answer ends with %v, closed %v", c.aborted, c.closed)
	}
	c, out := answer(t, get, func(x asteri.Exchange) {
		must(t, x.Start(200, fields("Content-Length", "5")))
		if _, err := x.Write([]byte("123456")); !errors.As(err, &refused) {
			t.Errorf("too long: %v", err)
		}
	})
	if !errors.As(c.aborted, &refused) {
		t.Errorf("a long answer ends with %v", c.aborted)
	}
	wantLacks(t, out, "123")
}

func TestFinishWithoutAnswer(t *testing.T) {
	c, out := answer(t, get, func(x asteri.Exchange) {
		if err := x.Finish(nil); err == nil {
			t.Error("no error")
		}
	})
	wantHas(t, out, "HTTP/1.1 500 ", "Connection: close")
	if !c.closed {
		t.Error("open")
	}
}

func TestTrailers(t *testing.T) {
	_, out := answer(t, get, func(x asteri.Exchange) {
		must(t, x.Start(200, fields("Trailer", "X-Sum")))
		_, err := x.Write([]byte("a"))
		must(t, err)
		must(t, x.Finish(fields("X-Sum", "7")))
	})
	wantHas(t, out, "Trailer: X-Sum\r\n", "1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n")

	_, out = answer(t, get, func(x asteri.Exchange) {
		must(t, x.Start(200, fields("Content-Length", "0")))
		must(t, x.Finish(fields("X-Sum", "7")))
	})
	wantLacks(t, out, "X-Sum")

	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Host", "Trailer", "Connection", "Upgrade", "X\n"} {
		c, _ := answer(t, get, func(x asteri.Exchange) {
			must(t, x.Start(200, nil))
			if err := x.Finish(fields(name, "1")); err == nil {
				t.Errorf("trailer %q is taken", name)
			}
		})
		if c.aborted == nil {
			t.Errorf("trailer %q ends cleanly", name)
		}
	}
}

func TestInform(t *testing.T) {
	_, out := answer(t, get, func(x asteri.Exchange) {
		must(t, x.Inform(103, fields("Link", "</a.css>; rel=preload")))
		must(t, x.Inform(102, nil))
		must(t, x.Respond(200, nil, nil))
	})
	wantHas(t, out, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n")

	_, out = answer(t, "GET / HTTP/1.0\r\n\r\n", func(x asteri.Exchange) {
		must(t, x.Inform(103, nil))
		must(t, x.Respond(200, nil, nil))
	})
	wantLacks(t, out, "103")
}

func TestAbort(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cause  error
		has    []string
		closed bool
	}{
		{"busy", &asteri.StatusError{Code: 503, Reason: "secret", RetryAfter: 7}, []string{"503 Service Unavailable", "Retry-After: 7\r\n", "\r\n\r\n503 Service Unavailable\n"}, false},
		{"client's fault", &asteri.StatusError{Code: 404, Reason: "not here"}, []string{"404 Not Found", "404 Not Found: not here\n"}, false},
		{"anything", errors.New("secret"), []string{"500 Internal Server Error", "Connection: close"}, true},
		{"senseless status", &asteri.StatusError{Code: 200}, []string{"500 Internal Server Error"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, out := answer(t, get, func(x asteri.Exchange) {
				x.Abort(tt.cause)
				x.Abort(tt.cause)
			})
			wantHas(t, out, tt.has...)
			wantLacks(t, out, "secret")
			if c.closed != tt.closed || strings.Count(out, "HTTP/1.1") != 1 {
				t.Errorf("closed %v: %s", c.closed, out)
			}
		})
	}
	cause := errors.New("broken")
	c, _ := answer(t, get, func(x asteri.Exchange) {
		must(t, x.Start(200, nil))
		x.Abort(cause)
	})
	if !errors.Is(c.aborted, cause) {
		t.Errorf("aborted with %v", c.aborted)
	}
	c, out := answer(t, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", func(x asteri.Exchange) {
		x.Abort(&asteri.StatusError{Code: 404, Reason: "x"})
	})
	if !strings.HasSuffix(out, "\r\n\r\n") || c.closed {
		t.Errorf("got %q", out)
	}
}

// A request that asks for HTTP/2 without TLS is as any other: RFC 9113 section 3.1 has
// done away with that, and RFC 9110 section 7.8 lets a server ignore an upgrade.
func TestUpgradeToHTTP2IsIgnored(t *testing.T) {
	c, out := answer(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", func(x asteri.Exchange) {
		must(t, x.Respond(200, nil, []byte(x.Request().Proto.String())))
	})
	wantHas(t, out, "HTTP/1.1 200 OK\r\n", "\r\n\r\nHTTP/1.1")
	wantLacks(t, out, "101", "Upgrade")
	if c.closed {
		t.Error("the connection is not kept")
	}
}

const upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: foo, echo\r\n\r\n"

func TestUpgrade(t *testing.T) {
	b := new(bodyLog)
	var tunnel asteri.Tunnel
	var exchange asteri.Exchange
	c, out := answer(t, upgrade+"early", func(x asteri.Exchange) {
		var err error
		exchange = x
		tunnel, err = x.Upgrade(fields("Upgrade", "Echo", "X-A", "1"))
		must(t, err)
	})
	wantHas(t, out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: Echo\r\nX-A: 1\r\n")
	wantLacks(t, out, "Content-Length", "chunked")
	if exchange.Post(func() {}) {
		t.Error("the exchange goes on")
	}
	tunnel.Read(b)
	c.runPosts()
	c.feed([]byte(" and late"))
	if string(b.body) != "early and late" {
		t.Fatalf("read %q", b.body)
	}
	_, err := tunnel.Write([]byte("answer"))
	must(t, err)
	if got := c.take(); got != "answer" {
		t.Errorf("wrote %q", got)
	}
	c.feed(bytes.Repeat([]byte{'x'}, asteri.BodyWindow))
	if len(b.body) != asteri.BodyWindow || !c.paused {
		t.Errorf("%d bytes over the window, paused %v", len(b.body), c.paused)
	}
	c.feedEOF()
	if b.ends != 0 {
		t.Error("the end came before the bytes")
	}
	tunnel.Consumed(len(b.body))
	c.runPosts()
	if b.ends != 1 || len(b.body) != asteri.BodyWindow+len("early and late") {
		t.Errorf("%d bytes, ended %d times", len(b.body), b.ends)
	}
	tunnel.Close()
	if !c.closed || tunnel.Post(func() {}) {
		t.Errorf("closed %v", c.closed)
	}
	if _, err := tunnel.Write(nil); !errors.Is(err, asteri.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
}

func TestTunnelHearsOfShutdown(t *testing.T) {
	var tunnel asteri.Tunnel
	told := 0
	tell := func() { told++ }
	c, _ := answer(t, upgrade, func(x asteri.Exchange) {
		var err error
		tunnel, err = x.Upgrade(fields("Upgrade", "echo"))
		must(t, err)
		tunnel.OnShutdown(tell)
	})
	c.session.OnShutdown()
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	tunnel.OnShutdown(tell) // late: it is told what it missed
	c.runPosts()
	if told != 2 {
		t.Errorf("told %d times after the shutdown", told)
	}
	tunnel.Close()
	tunnel.OnShutdown(tell)
	c.runPosts()
	if told != 2 {
		t.Error("told after the end")
	}
}

func TestUpgradeThatIsRefused(t *testing.T) {
	for name, in := range map[string]string{
		"not offered":    get,
		"not in list":    strings.Replace(upgrade, "echo", "other", 1),
		"no connection":  strings.Replace(upgrade, ", Upgrade", "", 1),
		"on 1.0":         strings.Replace(upgrade, "HTTP/1.1", "HTTP/1.0", 1),
		"body to come":   strings.Replace(upgrade, "\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n", 1),
		"field refused":  upgrade,
		"no field":       upgrade,
		"field repeated": upgrade,
	} {
		h := fields("Upgrade", "echo")
		switch name {
		case "field refused":
			h.Add("X", "\r\n")
		case "no field":
			h.Del("Upgrade")
		case "field repeated":
			h.Add("Content-Length", "0")
		}
		_, out := answer(t, in, func(x asteri.Exchange) {
			var refused *asteri.ResponseError
			if _, err := x.Upgrade(h); !errors.As(err, &refused) {
				t.Errorf("%s: %v", name, err)
			}
			must(t, x.Respond(400, nil, nil))
		})
		wantHas(t, out, "HTTP/1.1 400 ")
	}
}
