package python

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// What the front does with workers that behave, and with those that do not.

func bothLoops(t *testing.T, test func(t *testing.T, loops int)) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d loops", n), func(t *testing.T) { test(t, n) })
	}
}

func TestAnswers(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Workers: 2})
		for range 20 {
			s.expect(s.get("/"), 200, "hello")
		}
		s.expect(s.get("/stream?1000000"), 200, strings.Repeat("d", 1_000_000))
		s.expect(s.get("/stream?0"), 200, "")
		s.expect(s.get("/file?300000"), 200, strings.Repeat("f", 300_000))
		s.expect(s.get("/spooled?400000"), 200, strings.Repeat("d", 400_000)+strings.Repeat("f", 400_000)+"ddddd")
		s.expect(s.get("/linger?1"), 200, "lingers")
		s.expect(s.get("/error"), 500, "")
		s.expect(s.get("/nothing"), 500, "")
		for _, path := range []string{"/abort", "/cut"} {
			if r := s.get(path); r.err == nil {
				t.Errorf("%s ended cleanly: %d %q", path, r.status, r.body)
			}
		}
		if !s.log.Has("Traceback (fake)") || !s.log.Has("it broke") {
			t.Error("the log does not say what failed")
		}
	})
}

func TestRequestBodies(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		t.Run("whole", func(t *testing.T) {
			testBodies(t, loops, "ok", "file 300000 300000 300000", "inline 1000 1000")
		})
		t.Run("streamed", func(t *testing.T) {
			testBodies(t, loops, "stream", "streamed 300000 300000", "streamed 1000 -1")
		})
	})
}

func testBodies(t *testing.T, loops int, app, large, chunked string) {
	s := serveFake(t, loops, Config{App: app})
	s.expect(s.do("POST", "/body", strings.NewReader("x")), 200, "inline 1 1")
	s.expect(s.do("POST", "/body", bytes.NewReader(make([]byte, 300_000))), 200, large)
	s.expect(s.do("POST", "/body", io.MultiReader(bytes.NewReader(make([]byte, 1000)))), 200, chunked)
}

func TestHeaderOfAnAnswer(t *testing.T) {
	s := serveFake(t, 1, Config{})
	for what, status := range map[string]int{"right": 200, "hop": 200, "latin1": 200, "wide": 500, "split": 500, "number": 500, "long": 500} {
		r := s.get("/header?" + what)
		if r.status != status && r.err == nil {
			t.Errorf("%s: got %d, want %d", what, r.status, status)
		}
		if status == 200 && (string(r.body) != "body" || r.err != nil) {
			t.Errorf("%s: body %q, %v", what, r.body, r.err)
		}
		if c := r.header.Get("Set-Cookie"); c != "" {
			t.Errorf("%s: injected a field %q", what, c)
		}
		if what == "latin1" && (r.header.Get("X") != "caf\xe9" || r.header.Get("Y") != "raw\xff") {
			t.Errorf("latin-1 became %q, %q", r.header.Get("X"), r.header.Get("Y"))
		}
	}
	if r := s.get("/header?short"); r.err == nil {
		t.Errorf("a body shorter than its Content-Length ended cleanly: %d %q", r.status, r.body)
	}
	r := s.do("HEAD", "/header?short", nil)
	if r.status != 200 || r.header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d, Content-Length %q", r.status, r.header.Get("Content-Length"))
	}
}

func TestInterimAndTrailers(t *testing.T) {
	s := serveFake(t, 1, Config{})
	req, _ := http.NewRequest("GET", "http://"+s.addr+"/trailers", nil)
	var hints []string
	req = req.WithContext(httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h.Get("Link")))
			return nil
		},
	}))
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(hints) != "[103</a.css>]" || resp.Trailer.Get("X-Sum") != "10" {
		t.Errorf("interim %v, trailer %v", hints, resp.Trailer)
	}
}

func TestWorkerDeath(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Workers: 2})
		s.expect(s.do("POST", "/die", nil), 502, "")
		if n := s.pool.Snapshot().Retried; n != 0 {
			t.Errorf("POST was tried again")
		}
		s.expect(s.get("/die"), 502, "")
		if n := s.pool.Snapshot().Retried; n != 0 {
			t.Errorf("GET that had killed a worker was tried again %d times", n)
		}
		s.expect(s.get("/killed"), 502, "")
		if n := s.pool.Snapshot().Retried; n != 1 {
			t.Errorf("GET whose worker was killed was tried again %d times", n)
		}
		if r := s.get("/half"); r.err == nil {
			t.Errorf("half a body ended cleanly: %d, %d bytes", r.status, len(r.body))
		}
		eventually(t, "two workers again", func() bool { return s.count("IDLE") == 2 })
		s.expect(s.get("/"), 200, "hello")
		if n := s.pool.Snapshot().Exits["crashed"]; n != 5 {
			t.Errorf("%d crashes counted", n)
		}
	})
}

func TestViolationsEndTheWorker(t *testing.T) {
	s := serveFake(t, 2, Config{})
	for _, what := range []string{"type", "length", "stream", "marshal", "shape", "twice", "early", "window", "nofile", "control", "metrics", "memory"} {
		before := s.pool.Snapshot().Workers[0].PID
		r := s.do("POST", "/violate?"+what, nil)
		if r.err == nil && r.status < 500 {
			t.Errorf("%s: got %d %q", what, r.status, r.body)
		}
		eventually(t, "a new worker after "+what, func() bool {
			w, ok := s.worker("IDLE")
			return ok && w.PID != before
		})
	}
	if n := strings.Count(s.log.String(), "worker sent what it may not"); n != 12 {
		t.Errorf("the log says so %d times", n)
	}
}

func TestLinkClosedByTheWorker(t *testing.T) {
	s := serveFake(t, 1, Config{})
	s.expect(s.do("POST", "/eof", nil), 502, "")
	eventually(t, "a new worker", func() bool { _, ok := s.worker("IDLE"); return ok })
	s.expect(s.get("/"), 200, "hello")
}

// A slow client takes a large response: the worker is free at once, and memory
// stays small because the rest waits in a file.
func TestSlowReaderFreesABlockingWorker(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{})
		const size = 16 << 20
		c := s.dial(fmt.Sprintf("GET /stream?%d HTTP/1.1\r\nHost: x\r\n\r\n", size))
		eventually(t, "the worker has made the response", func() bool {
			w, ok := s.worker("IDLE")
			return ok && w.Served == 1
		})
		s.expect(s.get("/"), 200, "hello")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if n != size || err != nil {
			t.Errorf("got %d bytes, %v", n, err)
		}
	})
}

func TestSpoolIsBounded(t *testing.T) {
	s := serveFake(t, 1, Config{ResponseSpoolMax: 1 << 20})
	const size = 32 << 20
	c := s.dial(fmt.Sprintf("GET /stream?%d HTTP/1.1\r\nHost: x\r\n\r\n", size))
	s.waitFor("BUSY")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if n != size || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// An asynchronous worker is held back instead.
func TestSlowReaderHoldsAnAsynchronousWorkerBack(t *testing.T) {
	s := serveFake(t, 1, Config{App: "stream"})
	const size = 32 << 20
	c := s.dial(fmt.Sprintf("GET /stream?%d HTTP/1.1\r\nHost: x\r\n\r\n", size))
	s.waitFor("BUSY")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := s.worker("BUSY"); !ok || w.Served != 0 {
		t.Error("the worker has finished before the client read")
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if n != size || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// How many requests a worker gets at a time can be told from its counts.
func TestFramesOfRequestsAreCounted(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{})
		for range 3 {
			s.expect(s.get("/"), 200, "hello")
		}
		if w := s.waitFor("IDLE"); w.Frames != 3 {
			t.Errorf("%d frames for 3 requests, one after the other", w.Frames)
		}
	})
}
