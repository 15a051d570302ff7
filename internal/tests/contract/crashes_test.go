package contract

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"testing"

	"github.com/asteri/asteri-loop"
)

// crashes are ways not to return.
var crashes = map[string]func(){
	"panic":  func() { panic("as asked") },
	"goexit": runtime.Goexit,
}

// crashing crashes in one of its callbacks, which the path names.
func crashing(crash func(), cancelled chan<- struct{}) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		switch string(x.Request().Path) {
		case "/serve":
			crash()
		case "/body":
			x.ReadBody(bodySink{body: func([]byte) { crash() }})
		case "/end":
			x.ReadBody(bodySink{body: func(p []byte) { x.Consumed(len(p)) }, end: crash})
		case "/post":
			x.OnCancel(func(error) { cancelled <- struct{}{} })
			go x.Post(crash)
		case "/drain":
			x.OnDrain(crash)
		case "/cancel":
			x.OnCancel(func(error) { crash() })
			_ = x.Start(200, nil)
			_, _ = x.Write([]byte("begun\n"))
		case "/error":
			x.OnCancel(func(error) { cancelled <- struct{}{} })
			x.ReadBody(bodySink{fail: func(error) { crash() }})
		default:
			ok(x)
		}
	})
}

// A callback that does not return costs its exchange, perhaps the connection, and
// nothing else: no descriptor, no stream, and not the loop.
func TestCallbacksThatDoNotReturn(t *testing.T) {
	for how, crash := range crashes {
		t.Run(how, func(t *testing.T) {
			cancelled := make(chan struct{}, 1000)
			overAll(t, func(*testing.T) asteri.Handler { return crashing(crash, cancelled) }, func(t *testing.T, s *server) {
				for _, path := range []string{"/serve", "/body", "/end", "/post", "/drain"} {
					c := s.client()
					for range 5 { // more than there may be streams
						got := s.ask(c, path, []byte("content"))
						if got.status != 500 && (got.status != 0 || how == "panic") {
							t.Errorf("%s: got %d", path, got.status)
						}
					}
					c.CloseIdleConnections()
				}
				for range 5 {
					receive(t, "OnCancel is called", cancelled)
				}
				for range 5 {
					s.leave(s.client(), "/cancel")
				}
				s.wantLogged("handler panicked")
				s.want(s.client(), "/", nil, answer{200, "ok"})
				s.close()
				s.wantNoConnections()
			})
		})
	}
}

// The function that is told of the end is called also if the sink crashes first.
func TestCancelIsToldBehindASinkThatDoesNotReturn(t *testing.T) {
	for how, crash := range crashes {
		t.Run(how, func(t *testing.T) {
			cancelled := make(chan struct{}, 1000)
			overAll(t, func(*testing.T) asteri.Handler { return crashing(crash, cancelled) }, func(t *testing.T, s *server) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				content, feed := io.Pipe()
				defer feed.Close()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/error", content)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					_, _ = feed.Write([]byte("some"))
					cancel()
					_ = feed.CloseWithError(ctx.Err()) // a client that has been cut off waits for its content
				}()
				if resp, err := s.client().Do(req); err == nil {
					resp.Body.Close()
				}
				receive(t, "OnCancel is called", cancelled)
				s.want(s.client(), "/", nil, answer{200, "ok"})
			})
		})
	}
}

// leave asks, and leaves in the middle of the response.
func (s *server) leave(c *http.Client, path string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		s.t.Error(err)
	}
}

// close ends all connections of clients over TCP.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// failing is an observer that does not return.
type failing struct{ crash func() }

func (f failing) ExchangeDone(*asteri.Record) { f.crash() }

func TestObserversThatPanic(t *testing.T) {
	overAll(t, func(*testing.T) asteri.Handler { return asteri.HandlerFunc(ok) }, func(t *testing.T, s *server) {
		c := s.client()
		for range 5 {
			s.want(c, "/", nil, answer{200, "ok"})
		}
		s.wantLogged("observer panicked")
	}, asteri.WithObserver(failing{crashes["panic"]}))
}
