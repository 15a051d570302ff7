package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
)

// Whose turn it is decides whether time passes.
func TestWatch(t *testing.T) {
	const limit = time.Minute
	ask := func(w *watch, on bool) { w.turn(func() { w.asking = on }) }
	read := func(w *watch, on bool) { w.turn(func() { w.reading = on }) }
	for name, c := range map[string]struct {
		happens func(w *watch, wait func(minutes float64))
		late    bool
	}{
		"no response":           {func(_ *watch, wait func(float64)) { wait(1.1) }, true},
		"a response in time":    {func(w *watch, wait func(float64)) { wait(0.9); w.began(); wait(9) }, false},
		"a slow upload":         {func(w *watch, wait func(float64)) { ask(w, true); wait(9); ask(w, false); wait(0.9); w.began() }, false},
		"content is not taken":  {func(w *watch, wait func(float64)) { ask(w, true); wait(9); ask(w, false); wait(1.1) }, true},
		"it is taken in pieces": {func(w *watch, wait func(float64)) { wait(0.9); ask(w, true); ask(w, false); wait(0.9) }, false},
		"a slow download":       {func(w *watch, wait func(float64)) { w.began(); read(w, true); read(w, false); wait(9) }, false},
		"heartbeats": {func(w *watch, wait func(float64)) {
			w.began()
			for range 60 {
				read(w, true)
				wait(0.9)
				read(w, false)
			}
		}, false},
		"a response that stalls":            {func(w *watch, wait func(float64)) { w.began(); read(w, true); wait(1.1) }, true},
		"a response that waits for content": {func(w *watch, wait func(float64)) { w.began(); ask(w, true); read(w, true); wait(9) }, false},
		"and stalls then": {func(w *watch, wait func(float64)) {
			w.began()
			ask(w, true)
			read(w, true)
			wait(9)
			ask(w, false)
			wait(1.1)
		}, true},
		"content that is left unread": {func(w *watch, wait func(float64)) { ask(w, true); ask(w, false); w.began(); wait(9) }, false},
		"the end":                     {func(w *watch, wait func(float64)) { w.over = true; w.turn(func() {}); wait(9) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, w := newWatch(context.Background(), limit)
				defer w.stop()
				c.happens(w, func(minutes float64) { time.Sleep(time.Duration(minutes * float64(time.Minute))) })
				synctest.Wait()
				if isLate(ctx) != c.late {
					t.Errorf("late is %t", isLate(ctx))
				}
			})
		})
	}
}

// stalling answers as the path says, and then stands still until it is let go.
func stalling(t *testing.T) (server *httptest.Server, letGo func()) {
	t.Helper()
	released := make(chan struct{})
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			w.Header().Set("Content-Length", "100")
		case "/silent":
			<-released
			return
		}
		_, _ = io.WriteString(w, "abc")
		_ = http.NewResponseController(w).Flush()
		<-released
	}))
	letGo = func() { close(released) }
	t.Cleanup(server.Close)
	return server, letGo
}

// A server that does not go on is not waited for: the response is reset.
func TestResponseThatStalls(t *testing.T) {
	t.Parallel()
	server, letGo := stalling(t)
	defer letGo()
	var log logtest.Text
	base := front(t, Options{Target: server.URL, Timeout: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	wantCut(t, base, "/length", "/chunked")
	if text := log.String(); strings.Count(text, "does not go on") != 2 {
		t.Errorf("the log says:\n%s", text)
	}
	if res, _ := get(t, base+"/silent"); res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("no response: %d", res.StatusCode)
	}
}

// deaf accepts connections and reads nothing from them.
func deaf(t *testing.T) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return ln.Addr().String()
}

// endless is content that has no end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A server that takes no content is not waited for either.
func TestContentThatIsNotTaken(t *testing.T) {
	addr := strings.TrimPrefix(front(t, Options{Target: "http://" + deaf(t), Timeout: 100 * time.Millisecond}), "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(enginetest.Patience))
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
	go func() { _, _ = io.Copy(conn, endless{}) }()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("status %d", res.StatusCode)
	}
}

// A WebSocket may be silent for longer than a response: its peers know how long.
func TestSilentWebSocket(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(upgrader))
	defer server.Close()
	h := newProxy(t, Options{Target: server.URL, Timeout: time.Second, MaxConns: 1, QueueSize: 1})
	e := exchangetest.NewExecutor(t)
	x := connect(t, e, "websocket")
	x.Serve(h)
	exchangetest.Eventually(t, "the socket opens", x.Upgraded)
	// It has the one place, so a request waits out its time, twice over.
	for range 2 {
		if r := exchangetest.Get(t, e, "/").Answer(h); r.Status != http.StatusServiceUnavailable {
			t.Fatalf("a request beside it: %d, %v", r.Status, r.Err)
		}
	}
	x.Send([]byte("ping"))
	exchangetest.Eventually(t, "the echo comes", func() bool { return string(x.Content()) == "ping" })
	x.Cancel(asteri.ErrClientGone)
	x.SendEnd(nil)
	x.Wait()
}
