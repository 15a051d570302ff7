package http3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/loop"
)

func hello(x asteri.Exchange) {
	var h asteri.Header
	h.Add("Content-Type", "text/plain")
	_ = x.Respond(200, &h, []byte("hello "+string(x.Request().Path)))
}

func TestGet(t *testing.T) {
	s := serve(t, func(x asteri.Exchange) {
		r := x.Request()
		switch {
		case r.Proto != asteri.HTTP3, r.Scheme != "https", r.Peer.Network != "udp", r.Peer.TLS == nil,
			!r.Peer.Remote.IsValid(), string(r.Query) != "b=c", string(r.Header.Get("X-Asked")) != "yes":
			t.Errorf("request %+v", r)
		}
		hello(x)
	})
	c := s.client()
	for range 3 {
		req, _ := http.NewRequest("GET", s.url("/a?b=c"), nil)
		req.Header.Set("X-Asked", "yes")
		resp, b := send(t, c, req)
		if resp.StatusCode != 200 || string(b) != "hello /a" || resp.Proto != "HTTP/3.0" ||
			resp.Header.Get("Server") != "asteri-loop" || resp.Header.Get("Date") == "" || resp.Header.Get("Alt-Svc") != "" {
			t.Fatalf("%v %q", resp, b)
		}
	}
	req, _ := http.NewRequest("HEAD", s.url("/a?b=c"), nil)
	req.Header.Set("X-Asked", "yes")
	resp, b := send(t, c, req)
	if resp.StatusCode != 200 || len(b) != 0 || resp.ContentLength != int64(len("hello /a")) {
		t.Errorf("HEAD: %v %q", resp, b)
	}
}

// echo streams the body back, no faster than the client takes it.
type echo struct {
	x    asteri.Exchange
	held int // bytes that are not consumed while the queue is long
}

func serveEcho(x asteri.Exchange) {
	_ = x.Start(200, nil)
	x.ReadBody(&echo{x: x})
}

func (e *echo) OnBody(p []byte) {
	queued, err := e.x.Write(p)
	if err != nil {
		return
	}
	e.held += len(p)
	if queued >= asteri.HighWater {
		e.x.OnDrain(e.goOn)
		return
	}
	e.goOn()
}

func (e *echo) goOn() {
	n := e.held
	e.held = 0
	e.x.Consumed(n)
}

func (e *echo) OnEnd(trailer *asteri.Header) { _ = e.x.Finish(trailer) }
func (e *echo) OnError(err error)            { e.x.Abort(err) }

func TestEchoOfEverySize(t *testing.T) {
	s := serve(t, serveEcho)
	c := s.client()
	for _, size := range []int{0, 1, 100, 16 << 10, 64 << 10, 64<<10 + 1, 1 << 20} {
		sent := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		resp, got := do(t, c, "POST", s.url("/"), io.MultiReader(bytes.NewReader(sent))) // of unknown length
		if resp.StatusCode != 200 || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes: %v, %d bytes back", size, resp.Status, len(got))
		}
	}
}

func TestManyAtATime(t *testing.T) {
	s := serve(t, serveEcho)
	c := s.client()
	var clients sync.WaitGroup
	for i := range 60 {
		clients.Go(func() {
			sent := strings.Repeat(strconv.Itoa(i)+" ", 5_000)
			resp, err := c.Post(s.url("/"), "text/plain", strings.NewReader(sent))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || string(got) != sent {
				t.Errorf("request %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	clients.Wait()
}

func TestTrailers(t *testing.T) {
	s := serve(t, serveEcho)
	req, _ := http.NewRequest("POST", s.url("/"), io.MultiReader(strings.NewReader("body")))
	req.Trailer = http.Header{"X-Sum": {"42"}}
	resp, got := send(t, s.client(), req)
	if string(got) != "body" || resp.Trailer.Get("X-Sum") != "42" {
		t.Errorf("%q, trailer %v", got, resp.Trailer)
	}
}

func TestFile(t *testing.T) {
	content := bytes.Repeat([]byte("a line of the file\n"), 100_000)
	name := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(name, content, 0o600))
	s := serve(t, func(x asteri.Exchange) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
		}
		var h asteri.Header
		h.AddInt("Content-Length", int64(len(content)-9))
		_ = x.Start(200, &h)
		_, _ = x.Write(content[:10])
		_ = x.SendFile(f, 10, int64(len(content)-19))
		_ = x.Finish(nil)
	})
	_, got := do(t, s.client(), "GET", s.url("/"), nil)
	if !bytes.Equal(got, content[:len(content)-9]) {
		t.Errorf("%d bytes, want %d", len(got), len(content)-9)
	}
}

func TestInterim(t *testing.T) {
	s := serve(t, func(x asteri.Exchange) {
		var h asteri.Header
		h.Add("Link", "</style.css>; rel=preload")
		if err := x.Inform(103, &h); err != nil {
			t.Error(err)
		}
		hello(x)
	})
	resp, got := do(t, s.client(), "GET", s.url("/"), nil)
	if resp.StatusCode != 200 || string(got) != "hello /" {
		t.Errorf("%v %q", resp, got)
	}
}

// What the handler does wrong, or the client asks for in vain.
func TestRefusals(t *testing.T) {
	log := new(logtest.Text)
	s := serve(t, func(x asteri.Exchange) {
		switch string(x.Request().Path) {
		case "/panic":
			panic("on purpose")
		case "/late-panic":
			_ = x.Start(200, nil)
			_, _ = x.Write([]byte("some"))
			panic("on purpose")
		case "/short":
			var h asteri.Header
			h.AddInt("Content-Length", 10)
			_ = x.Start(200, &h)
			_, _ = x.Write([]byte("some"))
			_ = x.Finish(nil)
		case "/nothing":
			_ = x.Finish(nil)
		case "/body":
			x.ReadBody(&echo{x: x})
		}
	}, asteri.WithLimits(asteri.Limits{Head: 4096, Body: 1000, RequestLine: 200}), asteri.WithLogger(log.Logger()))
	c := s.client()
	for _, test := range []struct {
		path   string
		status int
	}{
		{"/panic", 500}, {"/nothing", 500}, {"/" + strings.Repeat("x", 300), 414},
	} {
		if resp, _ := do(t, c, "GET", s.url(test.path), nil); resp.StatusCode != test.status {
			t.Errorf("%.20s: %v, want %d", test.path, resp.Status, test.status)
		}
	}
	for _, path := range []string{"/late-panic", "/short"} {
		resp, err := c.Get(s.url(path))
		if err != nil {
			continue // the reset came before the head was read
		}
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: ended as if nothing had happened", path)
		}
		resp.Body.Close()
	}
	req, _ := http.NewRequest("GET", s.url("/"), nil)
	req.Header.Set("X-Large", strings.Repeat("x", 5000))
	if resp, _ := send(t, c, req); resp.StatusCode != 431 {
		t.Errorf("large head: %v", resp.Status)
	}
	if resp, _ := do(t, c, "POST", s.url("/body"), strings.NewReader(strings.Repeat("x", 2000))); resp.StatusCode != 413 {
		t.Errorf("large body: %v", resp.Status)
	}
	if resp, _ := do(t, c, "POST", s.url("/body"), io.MultiReader(strings.NewReader(strings.Repeat("x", 2000)))); resp.StatusCode != 413 {
		t.Errorf("large body of unknown length: %v", resp.Status)
	}
	s.stop()
	if text := log.String(); strings.Contains(text, "connection fails") {
		t.Errorf("a refused request cost its connection: %s", text)
	}
}

func TestClientThatLeavesCancels(t *testing.T) {
	cancelled := make(chan error, 1)
	started := make(chan struct{})
	s := serve(t, func(x asteri.Exchange) {
		x.OnCancel(func(cause error) { cancelled <- cause })
		_ = x.Start(200, nil)
		_, _ = x.Write([]byte("begun"))
		close(started)
	})
	resp, err := s.client().Get(s.url("/"))
	must(t, err)
	<-started
	resp.Body.Close() // STOP_SENDING
	if cause := <-cancelled; !errors.Is(cause, asteri.ErrClientGone) {
		t.Errorf("cancelled with %v", cause)
	}
}

// A client that takes nothing does not have the server keep more than a queue.
func TestSlowReader(t *testing.T) {
	const size = 2 << 20
	most := 0
	s := serve(t, func(x asteri.Exchange) {
		var h asteri.Header
		h.AddInt("Content-Length", size)
		_ = x.Start(200, &h)
		sent := 0
		var more func()
		more = func() {
			for sent < size {
				queued, err := x.Write(make([]byte, 32<<10))
				if err != nil {
					return
				}
				sent += 32 << 10
				most = max(most, queued)
				if queued >= asteri.HighWater {
					x.OnDrain(more)
					return
				}
			}
			_ = x.Finish(nil)
		}
		more()
	})
	_, got := do(t, s.client(), "GET", s.url("/"), nil)
	s.stop()
	if len(got) != size || most > asteri.HighWater+32<<10 {
		t.Errorf("%d bytes, %d in the queue", len(got), most)
	}
}

func TestDrainFinishesWhatHasBegun(t *testing.T) {
	release := make(chan func())
	s := serve(t, func(x asteri.Exchange) {
		_ = x.Start(200, nil)
		_, _ = x.Write([]byte("begun "))
		go func() { release <- func() { x.Post(func() { _, _ = x.Write([]byte("done")); _ = x.Finish(nil) }) } }()
	})
	resp, err := s.client().Get(s.url("/"))
	must(t, err)
	defer resp.Body.Close()
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	(<-release)()
	got, err := io.ReadAll(resp.Body)
	must(t, err)
	if string(got) != "begun done" {
		t.Errorf("%q", got)
	}
	<-stopped
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	s := serve(t, hello, asteri.WithTimeouts(asteri.Timeouts{KeepAlive: 50_000_000}))
	do(t, s.client(), "GET", s.url("/"), nil)
	eventually(t, "the idle connection is closed", func() bool { return s.http.Stats().Connections == 0 })
}

func TestTooManyConnections(t *testing.T) {
	s := serveOn(t, loop.Config{MaxConnections: 1}, http3.Config{}, hello)
	do(t, s.client(), "GET", s.url("/"), nil)
	if _, err := s.client().Get(s.url("/")); err == nil {
		t.Error("a second connection was served")
	}
}
