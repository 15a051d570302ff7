package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// connect is an extended CONNECT for a WebSocket.
func connect(t *testing.T, e *exchangetest.Executor, protocol string) *exchangetest.Exchange {
	r := asteri.Request{
		Method: "CONNECT", Proto: asteri.HTTP2, Protocol: protocol, Scheme: "https",
		Target: []byte("/ws?x=y"), Authority: []byte("shop.example"), ContentLength: -1,
	}
	r.Header.Add("sec-websocket-version", "13")
	return exchangetest.New(t, e, r)
}

func TestExtendedConnect(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/ws?x=y" || r.Host != "shop.example" || r.Header.Get("Sec-Websocket-Version") != "13" ||
			r.Header.Get("X-Forwarded-For") != "192.0.2.1" || r.Header.Get("X-Forwarded-Proto") != "https" ||
			r.Header.Get("Forwarded") != `for=192.0.2.1;host="shop.example";proto=https` {
			t.Errorf("server is asked %s %s, %v", r.Host, r.RequestURI, r.Header)
		}
		upgrader(w, r)
	}))
	defer server.Close()
	h := newProxy(t, Options{Target: server.URL})
	e := exchangetest.NewExecutor(t)
	x := connect(t, e, "websocket")
	x.Serve(h)
	exchangetest.Eventually(t, "the socket opens", x.Upgraded)
	x.Send([]byte("ping"))
	exchangetest.Eventually(t, "the echo comes", func() bool { return string(x.Content()) == "ping" })
	x.Cancel(asteri.ErrHalfClosed) // which ends the call's context
	x.Send([]byte("pong"))
	exchangetest.Eventually(t, "the socket is still open", func() bool { return string(x.Content()) == "pingpong" })
	x.SendEnd(nil)
	if r := x.Wait(); string(r.Header.Get("X-Own")) != "yes" || r.Header.Has("Sec-WebSocket-Accept") || r.Header.Has("Connection") {
		t.Errorf("client got %v", r.Header.Fields())
	}
}

func TestExtendedConnectRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "page" {
			_, _ = io.WriteString(w, "which would be an open tunnel")
			return
		}
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer server.Close()
	h := newProxy(t, Options{Target: server.URL})
	e := exchangetest.NewExecutor(t)
	if r := connect(t, e, "websocket").Answer(h); r.Status != http.StatusForbidden || string(r.Body) != "no\n" {
		t.Errorf("refused by the server: %d, %q", r.Status, r.Body)
	}
	page := connect(t, e, "websocket")
	page.Request().Query = []byte("page")
	if r := page.Answer(h); r.Status != http.StatusNotImplemented {
		t.Errorf("a page: %d, %q", r.Status, r.Body)
	}
	if r := connect(t, e, "unheard-of").Answer(h); r.Status != http.StatusNotImplemented {
		t.Errorf("another protocol: %d", r.Status)
	}
}

// A client that leaves before its WebSocket is open takes the request to the server
// along, be it that no answer has come, or not all of one that refuses.
func TestExtendedConnectWhoseClientLeaves(t *testing.T) {
	began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if says := r.URL.RawQuery; says != "" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, says)
			_ = http.NewResponseController(w).Flush()
		}
		began <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	defer server.Close()
	defer server.CloseClientConnections() // those that the proxy has failed to
	h := newProxy(t, Options{Target: server.URL})
	e := exchangetest.NewExecutor(t)
	for _, says := range []string{"", "no"} {
		for _, cause := range []error{asteri.ErrClientGone, asteri.ErrHalfClosed} {
			x := connect(t, e, "websocket")
			x.Request().Query = []byte(says)
			x.Serve(h)
			<-began
			exchangetest.Eventually(t, "the refusal comes", func() bool { return string(x.Content()) == says })
			x.Cancel(cause)
			select {
			case <-ended:
			case <-time.After(enginetest.Patience):
				t.Fatalf("%v, %q: the server still works for a client that left", cause, says)
			}
			if res := x.Wait(); says == "" && !errors.Is(res.Err, cause) {
				t.Errorf("%v: the exchange ends with %v", cause, res.Err)
			}
		}
	}
}
