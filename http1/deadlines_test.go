package http1_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/loop"
)

// untimed are timeouts of which none but Handler passes in a test.
var untimed = asteri.Timeouts{Handler: 100 * time.Millisecond, Header: time.Hour, Body: time.Hour, KeepAlive: time.Hour}

type nobody struct{}

func (nobody) OnBody([]byte)         {}
func (nobody) OnEnd(*asteri.Header)  {}
func (nobody) OnError(error)         {}
func goOn(x asteri.Exchange)         { _ = x.Start(200, nil); _, _ = x.Write([]byte("hello\n")) }
func keep(x asteri.Exchange)         { x.OnCancel(func(error) {}) }
func takeAll(x asteri.Exchange)      { x.ReadBody(nobody{}) }
func neverTooLate(x asteri.Exchange) { x.SetTimeout(-1) }

// What a client that has half-closed leaves behind ends by the handler's deadline,
// wherever its request was at that time.
func TestHalfClosedAnywhere(t *testing.T) {
	const upload = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
	for name, tt := range map[string]struct {
		in      string
		answers int // the last goes on
		handler func(x asteri.Exchange)
	}{
		"within the content of a request that is being answered": {upload + "some", 1, func(x asteri.Exchange) {
			takeAll(x)
			keep(x)
			goOn(x)
		}},
		"the same without a limit": {upload + "some", 1, func(x asteri.Exchange) {
			neverTooLate(x)
			takeAll(x)
			keep(x)
			goOn(x)
		}},
		"in front of content that nobody consumes": {strings.Replace(upload, "100", "1000000", 1) + strings.Repeat("x", 100_000), 1, func(x asteri.Exchange) {
			neverTooLate(x)
			takeAll(x)
			keep(x)
			goOn(x)
		}},
		"behind a request that waits for another": {"GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n", 2, func(x asteri.Exchange) {
			neverTooLate(x)
			if string(x.Request().Path) == "/first" {
				x.OnCancel(func(error) { _ = x.Respond(204, nil, nil) })
				return
			}
			goOn(x)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := enginetest.Start(t, loop.Config{Loops: 1})
			c := dial(t, e.Listen(http1.Protocol(asteri.HandlerFunc(tt.handler), asteri.WithTimeouts(untimed))).String())
			send(t, c, tt.in)
			in := bufio.NewReader(c)
			answer := func() {
				if _, err := http.ReadResponse(in, nil); err != nil {
					t.Fatal(err)
				}
			}
			if tt.answers == 1 {
				answer()
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if tt.answers == 2 {
				answer()
				answer()
			}
			for end := time.Now().Add(patience); e.Stats().Loops[0].Connections > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the connection is there for good")
				}
			}
		})
	}
}

// The deadline of a handler counts from when it has all content, however long the client
// might have taken for that.
func TestDeadlineBehindContent(t *testing.T) {
	for name, body := range map[string]time.Duration{"a long time for content": time.Hour, "no limit for content": -1} {
		t.Run(name, func(t *testing.T) {
			timeouts := untimed
			timeouts.Body = body
			called := make(chan struct{})
			addr, _ := serve(t, func(x asteri.Exchange) {
				takeAll(x)
				close(called)
			}, asteri.WithTimeouts(timeouts))
			c := dial(t, addr)
			send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
			receive(t, called, "request")
			send(t, c, "body")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusGatewayTimeout {
				t.Errorf("got %s", resp.Status)
			}
		})
	}
}
