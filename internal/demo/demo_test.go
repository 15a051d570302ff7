package demo

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers"
)

var models = []string{"sync", "gthread", "gevent", "asgi", "tornado", "gtornado"}

// newDemo returns the demonstration under a model, with room for two requests at
// once at least. Responses do not spool: what waits must be seen to stay little.
func newDemo(t *testing.T, model string) asteri.Handler {
	t.Helper()
	h, err := New(model, workers.Options{Workers: 2, ResponseSpoolMax: -1}, websocket.NewServer(websocket.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := h.(io.Closer); ok {
		t.Cleanup(func() { c.Close() })
	}
	return h
}

func eachModel(t *testing.T, test func(t *testing.T, e *exchangetest.Executor, h asteri.Handler)) {
	for _, model := range models {
		t.Run(model, func(t *testing.T) { test(t, exchangetest.NewExecutor(t), newDemo(t, model)) })
	}
}

func request(t *testing.T, e *exchangetest.Executor, method, target string) *exchangetest.Exchange {
	return exchangetest.New(t, e, asteri.Request{Method: method, Target: []byte(target)})
}

func TestRoutes(t *testing.T) {
	eachModel(t, func(t *testing.T, e *exchangetest.Executor, h asteri.Handler) {
		for _, c := range []struct {
			method, target string
			status         int
			field, value   string
			body           string // what it contains
		}{
			{"GET", "/plaintext", 200, "Content-Type", "text/plain", "Hello, World!"},
			{"HEAD", "/plaintext", 200, "Content-Length", "13", ""},
			{"GET", "/plaintext?q", 200, "Content-Length", "13", "Hello, World!"},
			{"GET", "/json", 200, "Content-Type", "application/json", `{"message":"Hello, World!"}`},
			{"GET", "/", 200, "Content-Type", "text/html; charset=utf-8", "asteri-loop"},
			{"GET", "/bytes/0", 200, "Content-Length", "0", ""},
			{"GET", "/bytes/20", 200, "Content-Length", "20", "0123456789abcde\n0123"},
			{"HEAD", "/bytes/1000000", 200, "Content-Length", "1000000", ""},
			{"HEAD", "/stream", 200, "Content-Type", "text/plain; charset=utf-8", ""},
			{"HEAD", "/events", 200, "Content-Type", "text/event-stream", ""},
			{"GET", "/sleep/0", 200, "Content-Length", "6", "slept\n"},
			{"GET", "/sleep/1", 200, "Content-Length", "6", "slept\n"},
			{"GET", "/sleep/60001", 400, "", "", ""},
			{"GET", "/bytes/1073741825", 400, "", "", ""},
			{"GET", "/bytes/99999999999999999999", 400, "", "", ""},
			{"GET", "/bytes/", 404, "", "", ""},
			{"GET", "/bytes/-1", 404, "", "", ""},
			{"GET", "/bytes/1x", 404, "", "", ""},
			{"GET", "/plaintext/", 404, "", "", "not found\n"},
			{"GET", "/nothing", 404, "", "", "not found\n"},
			{"POST", "/plaintext", 405, "Allow", "GET, HEAD", ""},
			{"DELETE", "/bytes/1", 405, "Allow", "GET, HEAD", ""},
			{"GET", "/echo", 405, "Allow", "POST, PUT", ""},
			{"GET", "/ws", 200, "Content-Type", "text/html; charset=utf-8", "new WebSocket"},
			{"POST", "/ws", 405, "Allow", "GET, HEAD", ""},
		} {
			got := request(t, e, c.method, c.target).Answer(h)
			if got.Status != c.status || got.Err != nil {
				t.Errorf("%s %s: got %d %v, want %d", c.method, c.target, got.Status, got.Err, c.status)
			}
			if value := string(got.Header.Get(c.field)); c.field != "" && value != c.value {
				t.Errorf("%s %s: %s is %q, want %q", c.method, c.target, c.field, value, c.value)
			}
			if !strings.Contains(string(got.Body), c.body) || c.method == "HEAD" && len(got.Body) > 0 {
				t.Errorf("%s %s: got %q, want %q", c.method, c.target, got.Body, c.body)
			}
		}
	})
}

func TestPageNamesItsModelAndLinksTheRest(t *testing.T) {
	eachModel(t, func(t *testing.T, e *exchangetest.Executor, h asteri.Handler) {
		_, model, _ := strings.Cut(t.Name(), "/")
		got := string(request(t, e, "GET", "/").Answer(h).Body)
		for _, text := range []string{"<code>" + model + "</code>", "/plaintext", "/json", "/echo", "/bytes/", "/sleep/", "/stream", "/events", "/ws"} {
			if !strings.Contains(got, text) {
				t.Errorf("the page lacks %s", text)
			}
		}
	})
}

func TestEcho(t *testing.T) {
	eachModel(t, func(t *testing.T, e *exchangetest.Executor, h asteri.Handler) {
		for _, length := range []int64{3, -1} {
			x := exchangetest.New(t, e, asteri.Request{Method: "PUT", Target: []byte("/echo"), ContentLength: length})
			x.Serve(h)
			x.Send([]byte("ab"))
			x.Send([]byte("c"))
			x.SendEnd(nil)
			got := x.Wait()
			if string(got.Body) != "abc" || got.Err != nil || got.Header.Has("Content-Length") != (length >= 0) {
				t.Errorf("got %q, %v, %v", got.Body, got.Err, got.Header)
			}
		}
		broken := exchangetest.New(t, e, asteri.Request{Method: "PUT", Target: []byte("/echo"), ContentLength: 3})
		broken.Serve(h)
		broken.FailBody(io.ErrUnexpectedEOF)
		if got := broken.Wait(); got.Err == nil {
			t.Error("a broken body was answered cleanly")
		}
	})
}

// A client that does not read must not fill the memory.
func TestBackPressure(t *testing.T) {
	const size = 2 << 20
	eachModel(t, func(t *testing.T, e *exchangetest.Executor, h asteri.Handler) {
		send := request(t, e, "GET", "/bytes/2097152")
		echo := exchangetest.New(t, e, asteri.Request{Method: "POST", Target: []byte("/echo"), ContentLength: size})
		for _, x := range []*exchangetest.Exchange{send, echo} {
			x.Hold()
			x.Serve(h)
		}
		echo.Send(bytes.Repeat([]byte("x"), size))
		echo.SendEnd(nil)
		for _, x := range []*exchangetest.Exchange{send, echo} {
			for !x.Ended() {
				exchangetest.Eventually(t, "the response reaches the high-water mark", func() bool {
					return x.Unsent() >= asteri.HighWater || x.Ended()
				})
				if n := x.Unsent(); n > asteri.HighWater+asteri.BodyWindow {
					t.Fatalf("%d bytes queued", n)
				}
				x.Release()
			}
			if got := x.Wait(); len(got.Body) != size || got.Err != nil {
				t.Errorf("got %d bytes, %v", len(got.Body), got.Err)
			}
		}
	})
}

// Nobody waits for another one's sleep, and a sleeper whose client goes stops.
func TestSleepHoldsNobody(t *testing.T) {
	eachModel(t, func(t *testing.T, e *exchangetest.Executor, h asteri.Handler) {
		sleeper := request(t, e, "GET", "/sleep/60000")
		sleeper.Serve(h)
		if got := request(t, e, "GET", "/plaintext").Answer(h); got.Status != 200 {
			t.Errorf("got %d", got.Status)
		}
		if sleeper.Ended() {
			t.Error("did not sleep")
		}
		sleeper.Cancel(asteri.ErrClientGone)
		next := request(t, e, "GET", "/sleep/1").Answer(h) // a sync worker is free for it
		if next.Status != 200 {
			t.Errorf("got %d", next.Status)
		}
	})
}

func TestStream(t *testing.T) {
	var want bytes.Buffer
	for i := range streamLines {
		want.Write(line(i))
	}
	running := make(map[string]*exchangetest.Exchange) // all at once: it takes its two seconds
	for _, model := range models {
		x := request(t, exchangetest.NewExecutor(t), "GET", "/stream")
		x.Serve(newDemo(t, model))
		running[model] = x
	}
	for model, x := range running {
		if got := x.Wait(); !bytes.Equal(got.Body, want.Bytes()) || got.Err != nil {
			t.Errorf("%s: got %q, %v", model, got.Body, got.Err)
		}
	}
}

func TestEventsEndWithTheClient(t *testing.T) {
	eachModel(t, func(t *testing.T, e *exchangetest.Executor, h asteri.Handler) {
		x := request(t, e, "GET", "/events")
		x.Hold()
		x.Serve(h)
		exchangetest.Eventually(t, "the first event comes", func() bool { return x.Unsent() > 0 })
		x.Cancel(asteri.ErrClientGone)
		if got := x.Wait(); !strings.HasPrefix(string(got.Body), "id: 1\ndata: {\"count\":1,\"time\":\"") || !strings.HasSuffix(string(got.Body), "\n\n") {
			t.Errorf("got %q", got.Body)
		}
	})
}

func TestUnknownModel(t *testing.T) {
	if _, err := New("forking", workers.Options{}, websocket.NewServer(websocket.Options{})); err == nil {
		t.Error("took an unknown model")
	}
}

// answered is an exchange that costs nothing.
type answered struct {
	asteri.Exchange
	req  asteri.Request
	home asteri.Executor
}

func (x *answered) Request() *asteri.Request                  { return &x.req }
func (x *answered) Home() asteri.Executor                     { return x.home }
func (x *answered) SetTimeout(time.Duration)                  {}
func (x *answered) Respond(int, *asteri.Header, []byte) error { return nil }

func TestPlaintextOnTheLoopDoesNotAllocate(t *testing.T) {
	for _, model := range []string{"tornado", "gtornado"} {
		h := newDemo(t, model)
		x := &answered{req: asteri.Request{Method: "GET", Path: []byte("/plaintext")}, home: exchangetest.NewExecutor(t)}
		if n := testing.AllocsPerRun(100, func() { h.ServeExchange(x) }); n > 0 {
			t.Errorf("%s: %v allocations", model, n)
		}
	}
}
