package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/loop"
)

const patience = enginetest.Patience

// serve runs h on a real engine and returns its address, and a function that
// stops it gracefully.
func serve(t *testing.T, h asteri.HandlerFunc, opts ...asteri.Option) (addr string, stop func()) {
	t.Helper()
	return serveOn(t, 2, h, opts...)
}

func serveOn(t *testing.T, loops int, h asteri.HandlerFunc, opts ...asteri.Option) (addr string, stop func()) {
	t.Helper()
	e := enginetest.Start(t, loop.Config{Loops: loops})
	return e.Listen(http1.Protocol(h, opts...)).String(), e.Stop
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func client(t *testing.T) *http.Client {
	tr := &http.Transport{ExpectContinueTimeout: patience}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func receive[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// echo answers with the request's body as it comes, under back-pressure, and its
// trailer.
func echo(x asteri.Exchange) {
	h := new(asteri.Header)
	h.Add("X-Method", x.Request().Method)
	if err := x.Start(200, h); err != nil {
		x.Abort(err)
		return
	}
	x.ReadBody(&echoSink{x: x})
}

type echoSink struct{ x asteri.Exchange }

func (e *echoSink) OnBody(p []byte) {
	queued, err := e.x.Write(p)
	if err != nil {
		return
	}
	n := len(p)
	if queued <= asteri.HighWater {
		e.x.Consumed(n)
		return
	}
	e.x.OnDrain(func() { e.x.Consumed(n) })
}

func (e *echoSink) OnEnd(trailer *asteri.Header) { _ = e.x.Finish(trailer) }
func (e *echoSink) OnError(err error)            { e.x.Abort(err) }

func TestClientOfNetHTTP(t *testing.T) {
	addr, _ := serve(t, echo)
	c := client(t)
	var reused atomic.Int32
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			if i.Reused {
				reused.Add(1)
			}
		},
	})
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	for _, tt := range []struct {
		method string
		body   io.Reader
		want   []byte
	}{
		{"GET", nil, nil},
		{"HEAD", nil, nil},
		{"POST", bytes.NewReader(body), body},
		{"PUT", io.MultiReader(bytes.NewReader(body)), body}, // chunked
		{"GET", nil, nil},
	} {
		req, err := http.NewRequestWithContext(ctx, tt.method, "http://"+addr+"/p?q", tt.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"X-Sum": {"7"}}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, tt.want) || resp.Header.Get("X-Method") != tt.method {
			t.Errorf("%s: %v, status %d, %d bytes", tt.method, err, resp.StatusCode, len(got))
		}
		if tt.method == "PUT" && resp.Trailer.Get("X-Sum") != "7" {
			t.Errorf("trailer %v", resp.Trailer)
		}
	}
	if reused.Load() != 4 {
		t.Errorf("the connection was used again %d times, want 4", reused.Load())
	}
}

func TestAnswersFromGoroutines(t *testing.T) {
	addr, _ := serve(t, func(x asteri.Exchange) {
		go x.Post(func() {
			if x.Request().Query != nil && string(x.Request().Query) == "panic" {
				panic("in a posted function")
			}
			_ = x.Respond(200, nil, x.Request().Path)
		})
	})
	c := client(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 25 {
				path := fmt.Sprintf("/%d/%d", i, j)
				resp, err := c.Get("http://" + addr + path)
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(got) != path {
					t.Errorf("%s got %q", path, got)
				}
			}
		})
	}
	wg.Wait()
	resp, err := c.Get("http://" + addr + "/?panic")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 500 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestExpectContinue(t *testing.T) {
	refuse := atomic.Bool{}
	addr, _ := serve(t, func(x asteri.Exchange) {
		if refuse.Load() {
			_ = x.Respond(403, nil, nil)
			return
		}
		echo2 := &echoSink{x: x}
		x.ReadBody(echo2)
		_ = x.Start(200, nil)
	})
	c := client(t)
	for _, want := range []int{200, 403} {
		refuse.Store(want == 403)
		continued := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got100Continue: func() { continued = true },
		})
		req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+addr, strings.NewReader("hello"))
		req.Header.Set("Expect", "100-continue")
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want || continued != (want == 200) || want == 200 && string(got) != "hello" {
			t.Errorf("status %d, continued %v, got %q", resp.StatusCode, continued, got)
		}
	}
}

// TestHalfClosedClient: what nc and old clients do.
func TestHalfClosedClient(t *testing.T) {
	release := make(chan struct{})
	causes := make(chan error, 2)
	addr, _ := serve(t, func(x asteri.Exchange) {
		x.OnCancel(func(cause error) { causes <- cause })
		go func() {
			<-release
			// Posted twice, so that what OnCancel has to report comes first.
			x.Post(func() { x.Post(func() { _ = x.Respond(200, nil, x.Request().Path) }) })
		}()
	})
	c := dial(t, addr)
	send(t, c, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if cause := receive(t, causes, "cause"); !errors.Is(cause, asteri.ErrHalfClosed) {
		t.Errorf("cause %v", cause)
	}
	close(release)
	got, err := io.ReadAll(c)
	if cause := receive(t, causes, "cause of the second"); !errors.Is(cause, asteri.ErrHalfClosed) {
		t.Errorf("cause %v", cause)
	}
	if err != nil || strings.Count(string(got), "HTTP/1.1 200 OK") != 2 || !strings.HasSuffix(string(got), "/2") {
		t.Errorf("%v, got %q", err, got)
	}
}

func TestResetCancels(t *testing.T) {
	causes := make(chan error, 2)
	began := make(chan asteri.Exchange, 1)
	addr, _ := serve(t, func(x asteri.Exchange) {
		x.OnCancel(func(cause error) { causes <- cause })
		began <- x
	})
	c := dial(t, addr)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	x := receive(t, began, "exchange")
	_ = c.SetLinger(0)
	c.Close()
	if cause := receive(t, causes, "cause"); !errors.Is(cause, asteri.ErrClientGone) {
		t.Errorf("cause %v", cause)
	}
	if x.Post(func() {}) {
		t.Error("Post after the client is gone")
	}
	// Cancelled already: the function is still called.
	late := make(chan error, 1)
	if post(x, func() { x.OnCancel(func(cause error) { late <- cause }) }) {
		if cause := receive(t, late, "late cause"); !errors.Is(cause, asteri.ErrClientGone) {
			t.Errorf("cause %v", cause)
		}
	}
}

func post(x asteri.Exchange, fn func()) bool { return x.Home().Post(fn) }

// TestSlowReader: a large answer is made no faster than it is read, and arrives
// whole although the connection is closed behind it.
func TestSlowReader(t *testing.T) {
	const size = 8 << 20
	var made, most atomic.Int64
	addr, _ := serve(t, func(x asteri.Exchange) {
		h := new(asteri.Header)
		h.AddInt("Content-Length", size)
		h.Add("Connection", "close")
		if err := x.Start(200, h); err != nil {
			t.Error(err)
		}
		piece := make([]byte, 16<<10)
		var more func()
		more = func() {
			for made.Load() < size {
				queued, err := x.Write(piece)
				if err != nil {
					t.Error(err)
					return
				}
				made.Add(int64(len(piece)))
				most.Store(max(most.Load(), int64(queued)))
				if queued > asteri.HighWater {
					x.OnDrain(more)
					return
				}
			}
			if err := x.Finish(nil); err != nil {
				t.Error(err)
			}
		}
		x.OnDrain(more) // nothing is queued but the head: called soon
	})
	c := dial(t, addr)
	_ = c.SetReadBuffer(16 << 10)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != size {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if most.Load() > asteri.HighWater+32<<10 {
		t.Errorf("%d bytes were queued", most.Load())
	}
}

// TestRefusalReachesAClientThatStillSends: closing at once would destroy it.
func TestRefusalReachesAClientThatStillSends(t *testing.T) {
	addr, _ := serve(t, echo, asteri.WithLimits(asteri.Limits{Body: 1000}))
	c := dial(t, addr)
	send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 50000))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 413 || !resp.Close {
		t.Fatalf("%v, %+v", err, resp)
	}
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(text), "413 ") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestTunnelEcho(t *testing.T) {
	addr, stop := serve(t, func(x asteri.Exchange) {
		h := new(asteri.Header)
		h.Add("Upgrade", "echo")
		tunnel, err := x.Upgrade(h)
		if err != nil {
			x.Abort(err)
			return
		}
		tunnel.Read(&tunnelEcho{tunnel})
	})
	c := dial(t, addr)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly")
	br := bufio.NewReader(c)
	tp := textproto.NewReader(br)
	if line, err := tp.ReadLine(); err != nil || line != "HTTP/1.1 101 Switching Protocols" {
		t.Fatalf("%q, %v", line, err)
	}
	if h, err := tp.ReadMIMEHeader(); err != nil || h.Get("Upgrade") != "echo" || h.Get("Connection") != "Upgrade" {
		t.Fatalf("%v, %v", h, err)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB: more than window and high-water mark
	go func() {
		_, _ = c.Write(big)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(br)
	if err != nil || string(got) != "early"+string(big) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	stop()
}

type tunnelEcho struct{ asteri.Tunnel }

func (e *tunnelEcho) OnBody(p []byte) {
	queued, err := e.Write(p)
	if err != nil {
		return
	}
	n := len(p)
	if queued <= asteri.HighWater {
		e.Consumed(n)
		return
	}
	e.OnDrain(func() { e.Consumed(n) })
}

func (e *tunnelEcho) OnEnd(*asteri.Header) { e.Close() }
func (e *tunnelEcho) OnError(error)        {}

// TestGracefulStop: the request in flight is answered, idle connections are
// closed. With one loop, all its sessions have heard of the stop once one has.
func TestGracefulStop(t *testing.T) {
	began := make(chan asteri.Exchange, 1)
	addr, stop := serveOn(t, 1, func(x asteri.Exchange) {
		if string(x.Request().Path) == "/wait" {
			began <- x
			return
		}
		_ = x.Respond(200, nil, []byte("ok"))
	}, asteri.WithTimeouts(asteri.Timeouts{KeepAlive: -1}))
	idle, busy := dial(t, addr), dial(t, addr)
	send(t, idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	idleReader := bufio.NewReader(idle)
	resp, err := http.ReadResponse(idleReader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	send(t, busy, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	x := receive(t, began, "exchange")
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	if _, err := idleReader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("idle connection: %v", err)
	}
	x.Post(func() { _ = x.Respond(200, nil, []byte("done")) })
	got, err := io.ReadAll(busy)
	if err != nil || !strings.Contains(string(got), "Connection: close\r\n") || !strings.HasSuffix(string(got), "done") {
		t.Errorf("%v, got %q", err, got)
	}
	receive(t, stopped, "stop")
}

// TestKeepAliveEnds: an idle connection is closed when its time is over.
func TestKeepAliveEnds(t *testing.T) {
	addr, _ := serve(t, func(x asteri.Exchange) { _ = x.Respond(200, nil, nil) },
		asteri.WithTimeouts(asteri.Timeouts{KeepAlive: 50 * time.Millisecond}))
	c := dial(t, addr)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 OK\r\n") {
		t.Errorf("%v, got %q", err, got)
	}
}

// TestShortAnswerIsReset: content below its Content-Length never ends cleanly.
func TestShortAnswerIsReset(t *testing.T) {
	addr, _ := serve(t, func(x asteri.Exchange) {
		h := new(asteri.Header)
		h.AddInt("Content-Length", 5)
		_ = x.Start(200, h)
		_, _ = x.Write([]byte("abc"))
		_ = x.Finish(nil)
	})
	c := dial(t, addr)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got, err := io.ReadAll(c); err == nil {
		t.Errorf("clean end after %q", got)
	}
}

func TestPeer(t *testing.T) {
	peers := make(chan *asteri.Peer, 1)
	addr, _ := serve(t, func(x asteri.Exchange) {
		peers <- x.Request().Peer
		_ = x.Respond(200, nil, nil)
	})
	c := dial(t, addr)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	p := receive(t, peers, "peer")
	if p.Remote.String() != c.LocalAddr().String() || p.Local.String() != addr || p.Network != "tcp" || p.TLS != nil {
		t.Errorf("%+v", p)
	}
}

// A handler that writes on though its client does not read gets an error, and so does
// one that sends what is no file; neither takes more memory than it may.
func TestMistakesWithOutput(t *testing.T) {
	const most = 1 << 20
	for name, attempt := range map[string]func(x asteri.Exchange) error{
		"too much queued": func(x asteri.Exchange) error {
			for n := 0; n < 4*most; n += 64 << 10 {
				if _, err := x.Write(make([]byte, 64<<10)); err != nil {
					return err
				}
			}
			return nil
		},
		"no file":         func(x asteri.Exchange) error { return x.SendFile(nil, 0, 1) },
		"negative offset": func(x asteri.Exchange) error { return x.SendFile(closedFile{}, -1, 1) },
		"negative length": func(x asteri.Exchange) error { return x.SendFile(closedFile{}, 0, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan error, 1)
			e := enginetest.Start(t, loop.Config{Loops: 1, MaxQueued: most})
			addr := e.Listen(http1.Protocol(asteri.HandlerFunc(func(x asteri.Exchange) {
				_ = x.Start(200, nil)
				err := attempt(x)
				x.Abort(err)
				got <- err
			}))).String()
			c := dial(t, addr)
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			var mistake *asteri.ResponseError
			if err := receive(t, got, "outcome"); !errors.As(err, &mistake) {
				t.Errorf("it was told %v", err)
			}
			if n := e.Stats().Loops[0].Panics; n != 0 {
				t.Errorf("%d panics", n)
			}
		})
	}
}

// closedFile is a file of which nothing is read.
type closedFile struct{}

func (closedFile) Fd() uintptr                       { return 1 << 30 }
func (closedFile) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (closedFile) Close() error                      { return nil }
