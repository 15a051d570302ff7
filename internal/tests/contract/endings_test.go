package contract

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

var errTest = errors.New("as the test wants")

// is and as say what an error is to be.
func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func as[T error](err error) bool {
	var want T
	return errors.As(err, &want)
}

// left is why an exchange ends whose client has left. One over HTTP/1 sees first that
// nothing more comes.
func left(err error) bool {
	return errors.Is(err, asteri.ErrClientGone) || errors.Is(err, asteri.ErrHalfClosed)
}

// endings are the ways in which an exchange ends: the table in internal/protocol/exchange, by what
// a handler and a client see of it.
var endings = []struct {
	name      string
	begun     bool                    // the response has begun
	act       func(x asteri.Exchange) // what the handler does
	body      int                     // of the request
	leaves    bool                    // the client does
	want      answer                  // what it gets
	cancelled func(error) bool        // what OnCancel is told; nil: nothing
	ended     func(error) bool        // what the observer is told; nil: that all is well
}{
	{name: "answered", act: ok, want: answer{200, "ok"}},
	{name: "aborted", act: func(x asteri.Exchange) { x.Abort(errTest) }, want: answer{status: 500}, ended: is(errTest)},
	{name: "refused", act: func(x asteri.Exchange) { x.Abort(&asteri.StatusError{Code: 403}) }, want: answer{status: 403}, ended: as[*asteri.StatusError]},
	{name: "finished without a response", act: func(x asteri.Exchange) { _ = x.Finish(nil) }, want: answer{status: 500}, ended: as[*asteri.ResponseError]},
	{name: "wrong head", act: func(x asteri.Exchange) { _ = x.Start(200, header("Te", "x")) }, want: answer{status: 500}, ended: as[*asteri.ResponseError]},
	{name: "panic", act: func(asteri.Exchange) { panic(errTest) }, want: answer{status: 500}, cancelled: as[*asteri.PanicError], ended: as[*asteri.PanicError]},
	{name: "late", act: func(x asteri.Exchange) { x.SetTimeout(time.Millisecond) }, want: answer{status: 504}, cancelled: is(asteri.ErrTimeout), ended: is(asteri.ErrTimeout)},
	{name: "too much content", act: func(x asteri.Exchange) { x.ReadBody(bodySink{}) }, body: 2000, want: answer{status: 413}, cancelled: as[*asteri.StatusError], ended: as[*asteri.StatusError]},
	{name: "left", act: func(asteri.Exchange) {}, leaves: true, cancelled: left, ended: left},

	{name: "finished", begun: true, act: func(x asteri.Exchange) { _ = x.Finish(nil) }, want: answer{200, "begun"}},
	{name: "aborted within", begun: true, act: func(x asteri.Exchange) { x.Abort(errTest) }, ended: is(errTest)},
	{name: "answered twice", begun: true, act: ok, ended: as[*asteri.ResponseError]},
	{name: "panic within", begun: true, act: func(asteri.Exchange) { panic(errTest) }, cancelled: as[*asteri.PanicError], ended: as[*asteri.PanicError]},
	{name: "content not consumed", begun: true, act: func(x asteri.Exchange) { x.ReadBody(bodySink{}); x.SetTimeout(time.Millisecond) }, body: 200 << 10, cancelled: is(asteri.ErrTimeout), ended: is(asteri.ErrTimeout)},
	{name: "left within", begun: true, act: func(asteri.Exchange) {}, leaves: true, cancelled: left, ended: left},
}

// Every exchange ends once, in one way, and over every protocol in the same: its client
// gets one answer, its handler and the observer are told once, and what the handler does
// afterwards has no effect.
func TestEndings(t *testing.T) {
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			causes, exchanges, records := make(chan error, 10), make(chan asteri.Exchange, 10), make(sent, 10)
			limit := int64(1000)
			if e.begun {
				limit = 1 << 20
			}
			overAll(t, func(*testing.T) asteri.Handler {
				return asteri.HandlerFunc(func(x asteri.Exchange) {
					if string(x.Request().Path) != "/ends" {
						ok(x)
						return
					}
					x.OnCancel(func(cause error) {
						causes <- cause
						if errors.Is(cause, asteri.ErrHalfClosed) {
							x.Abort(cause)
						}
					})
					exchanges <- x
					if e.begun {
						_ = x.Start(200, nil)
						_, _ = x.Write([]byte("begun"))
					}
					e.act(x)
				})
			}, func(t *testing.T, s *server) {
				c := s.client()
				for range 5 { // more than there may be streams
					leave := s.end(c, e.body, e.leaves, e.want)
					x := receive(t, "the handler is called", exchanges)
					leave()
					r := receive(t, "the observer is told", records)
					if e.ended == nil && r.Err != nil || e.ended != nil && !e.ended(r.Err) {
						t.Errorf("the observer is told of %v", r.Err)
					}
					if e.cancelled != nil {
						if cause := receive(t, "OnCancel is called", causes); !e.cancelled(cause) {
							t.Errorf("OnCancel is told of %v", cause)
						}
					}
					s.isOver(x)
				}
				s.want(c, "/", nil, answer{200, "ok"})
				receive(t, "the observer is told", records)
				c.CloseIdleConnections()
				s.wantNoConnections()
				if len(records) > 0 || len(causes) > 0 && !e.leaves {
					t.Errorf("%d further records, %d further causes", len(records), len(causes))
				}
				for len(causes) > 0 {
					<-causes
				}
			}, asteri.WithObserver(records), asteri.WithLimits(asteri.Limits{Body: limit}))
		})
	}
}

// end asks for the exchange that is to end, and returns how to leave, if the client is to.
func (s *server) end(c *http.Client, body int, leaves bool, want answer) (leave func()) {
	s.t.Helper()
	if !leaves {
		var content io.Reader
		if body > 0 { // of a length that is not announced
			content = struct{ io.Reader }{strings.NewReader(strings.Repeat("x", body))}
		}
		got := s.send(c, "/ends", content)
		if got.status != want.status && (body == 0 || got.status != 0) || want.body != "" && got != want {
			s.t.Errorf("got %d %q, want %d %q", got.status, got.body, want.status, want.body)
		}
		return func() {}
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/ends", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := c.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	return func() { cancel(); <-done }
}

// isOver has the handler try what it can with an exchange that has ended.
func (s *server) isOver(x asteri.Exchange) {
	s.t.Helper()
	done := make(chan struct{})
	x.Home().Post(func() {
		defer close(done)
		_, write := x.Write([]byte("late"))
		_, upgrade := x.Upgrade(nil)
		for name, err := range map[string]error{
			"Start": x.Start(200, nil), "Respond": x.Respond(200, nil, nil), "Inform": x.Inform(103, nil),
			"Write": write, "Upgrade": upgrade, "Finish": x.Finish(nil),
		} {
			if !errors.Is(err, asteri.ErrClosed) {
				s.t.Errorf("%s returns %v", name, err)
			}
		}
		x.Abort(errTest)
	})
	receive(s.t, "the home runs it", done)
	if x.Post(func() {}) {
		s.t.Error("it takes functions")
	}
}

// The observer knows the connection, whoever the request is said to come from.
func TestPeerOfTheRecord(t *testing.T) {
	records := make(sent, 10)
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			x.Request().Peer = &asteri.Peer{Network: "behind"}
			ok(x)
		})
	}, func(t *testing.T, s *server) {
		s.want(s.client(), "/", nil, answer{200, "ok"})
		if r := receive(t, "the observer is told", records); r.Peer.Network == "behind" {
			t.Error("it is told of the client behind the connection")
		}
	}, asteri.WithObserver(records))
}
