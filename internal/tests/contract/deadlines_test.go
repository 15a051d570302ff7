package contract

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// short is a deadline of handlers that tests wait for.
var short = asteri.WithTimeouts(asteri.Timeouts{Handler: 200 * time.Millisecond, KeepAlive: patience})

// A handler that does not look at the error of its response has answered, too.
func TestBadResponsesAreAnswered(t *testing.T) {
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			switch string(x.Request().Path) {
			case "/respond":
				_ = x.Respond(302, header("Location", "/a\r\nX: b"), nil)
			case "/start":
				_ = x.Start(200, header("Transfer-Encoding", "chunked"))
			case "/status":
				_ = x.Respond(999, nil, nil)
			case "/twice":
				_ = x.Start(200, nil)
				_ = x.Respond(200, nil, nil)
			default:
				ok(x)
			}
		})
	}, func(t *testing.T, s *server) {
		c := s.client()
		for _, path := range []string{"/respond", "/start", "/status"} {
			s.want(c, path, nil, answer{status: 500})
		}
		s.wantLogged("the application's response cannot be sent")
		s.wantLogged("path=/respond")
		s.wantLogged("path=/start")
		s.want(c, "/twice", nil, answer{}) // a reset: it is half there
		s.want(c, "/", nil, answer{200, "ok"})
		c.CloseIdleConnections()
		s.wantNoConnections()
	})
}

// A handler that keeps its exchange and forgets it costs its client a while, and
// nobody a connection.
func TestKeptExchangesTimeOut(t *testing.T) {
	causes := make(chan error, 10)
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			if string(x.Request().Path) == "/kept" {
				x.OnCancel(func(cause error) { causes <- cause })
				return
			}
			ok(x)
		})
	}, func(t *testing.T, s *server) {
		c := s.client()
		s.want(c, "/", nil, answer{200, "ok"})
		s.want(c, "/kept", nil, answer{status: 504})
		if cause := receive(t, "OnCancel is called", causes); !errors.Is(cause, asteri.ErrTimeout) {
			t.Errorf("the cause is %v", cause)
		}
		s.wantLogged("request timed out")
		s.wantLogged("path=/kept")
		s.want(c, "/kept", []byte("content that nobody asks for"), answer{status: 504})
		s.want(c, "/", nil, answer{200, "ok"})
	}, short)
}

// A handler may say that it takes longer, or less.
func TestSetTimeout(t *testing.T) {
	patient := make(chan asteri.Exchange, 1)
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			switch string(x.Request().Path) {
			case "/patient":
				x.SetTimeout(-1)
				patient <- x
			case "/impatient":
				x.SetTimeout(10 * time.Millisecond)
			}
		})
	}, func(t *testing.T, s *server) {
		var done sync.WaitGroup
		first := s.client()
		done.Go(func() { s.want(first, "/patient", nil, answer{200, "ok"}) })
		x := receive(t, "the request comes", patient)
		c := s.client()
		for range 3 { // deadlines that pass meanwhile
			s.want(c, "/kept", nil, answer{status: 504})
		}
		s.want(c, "/impatient", nil, answer{status: 504})
		x.Post(func() { ok(x) })
		done.Wait()
	}, short)
}

// A deadline that a handler has put off for ever, and sets again, is watched again.
func TestSetTimeoutAgain(t *testing.T) {
	kept := make(chan asteri.Exchange, 1)
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			if string(x.Request().Path) != "/kept" {
				ok(x)
				return
			}
			x.SetTimeout(-1)
			kept <- x
		})
	}, func(t *testing.T, s *server) {
		c := s.client()
		s.want(c, "/", nil, answer{200, "ok"})
		var done sync.WaitGroup
		done.Go(func() { s.want(c, "/kept", nil, answer{status: 504}) })
		x := receive(t, "the request comes", kept)
		x.Post(func() { x.SetTimeout(0) })
		done.Wait()
	}, asteri.WithTimeouts(asteri.Timeouts{Handler: 200 * time.Millisecond, KeepAlive: 10 * patience}))
}

// Content that a handler takes and does not give back ends its exchange, and not the
// client's patience.
func TestContentThatIsNotConsumed(t *testing.T) {
	failed := make(chan error, 1)
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			x.ReadBody(bodySink{end: func() { ok(x) }, fail: func(err error) { failed <- err }})
		})
	}, func(t *testing.T, s *server) {
		c := s.client()
		s.want(c, "/", bytes.Repeat([]byte("x"), 1000), answer{200, "ok"})
		if got := s.ask(c, "/", bytes.Repeat([]byte("x"), 300<<10)); got.status != 504 && got.status != 0 {
			t.Errorf("got %d", got.status) // or a reset, which the client finds while it sends
		}
		receive(t, "the sink is told", failed)
		s.wantLogged("request timed out")
	}, short)
}

func TestReadAll(t *testing.T) {
	const most = 1 << 20
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			asteri.ReadAll(x, most, func(body []byte, err error) {
				if err == nil {
					_ = x.Respond(200, nil, []byte(strconv.Itoa(len(body))+" "+string(body[:min(len(body), 4)])))
				}
			})
		})
	}, func(t *testing.T, s *server) {
		c := s.client()
		s.want(c, "/", nil, answer{200, "0 "})
		s.want(c, "/", []byte("four"), answer{200, "4 four"})
		s.want(c, "/", bytes.Repeat([]byte("a"), most), answer{200, "1048576 aaaa"})
		req, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(make([]byte, most+1)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Expect", "100-continue") // so that the refusal is not lost behind the content
		if tr, ok := c.Transport.(*http.Transport); ok {
			tr.ExpectContinueTimeout = patience
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %s", resp.Status)
		}
	})
}

// A handler may give its exchange back when it has read and answered.
func TestReadAllAndRelease(t *testing.T) {
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			asteri.ReadAll(x, 100, func(body []byte, err error) {
				if err == nil {
					_ = x.Respond(200, nil, body)
					x.(asteri.Releaser).Release()
				}
			})
		})
	}, func(t *testing.T, s *server) {
		c := s.client()
		for range 3 {
			req, err := http.NewRequest(http.MethodPost, s.url, strings.NewReader("content"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Expect", "100-continue") // it comes when ServeExchange has returned
			if tr, ok := c.Transport.(*http.Transport); ok {
				tr.ExpectContinueTimeout = patience
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if p, err := io.ReadAll(resp.Body); err != nil || string(p) != "content" {
				t.Errorf("got %q, %v", p, err)
			}
			resp.Body.Close()
		}
		if n := s.engine.Stats().Loops[0].Panics; n != 0 || s.log.Has("panicked") {
			t.Errorf("%d panics", n)
		}
	})
}

// closeWriter is a connection that can be half closed.
type closeWriter interface{ CloseWrite() error }

// A client that has half-closed its connection in the middle of a stream of events is
// let go of when the handler has nothing to say; HTTP/3 has no such clients.
func TestStreamsOfClientsThatHaveLeft(t *testing.T) {
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			_ = x.Start(200, header("Content-Type", "text/event-stream"))
			_, _ = x.Write([]byte("data: hello\n\n"))
			x.OnCancel(func(error) {}) // which does nothing
		})
	}, func(t *testing.T, s *server) {
		if s.name == "http3" {
			t.Skip("QUIC does not half-close connections")
		}
		resp, err := s.client().Get(s.url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "data: hello\n" {
			t.Fatalf("%q, %v", line, err)
		}
		s.mu.Lock()
		conn := s.conns[0]
		s.mu.Unlock()
		if err := conn.(closeWriter).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		s.wantNoConnections()
	}, short)
}
