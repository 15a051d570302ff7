package proxy

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
)

// Every record about a server names the client's request, whatever went wrong.
func TestRecordsNameTheRequest(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + ln.Addr().String()
	ln.Close()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/late":
			<-release
		case "/stops":
			w.(http.Flusher).Flush()
			<-release
		case "/breaks":
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	defer close(release)
	e := exchangetest.NewExecutor(t)
	for _, c := range []struct{ target, path, says string }{
		{nobody, "/plain", "cannot be asked"},
		{nobody, "/ws", "cannot be asked"},
		{server.URL, "/late", "is late"},
		{server.URL, "/stops", "does not go on with its response"},
		{server.URL, "/breaks", "broke off its response"},
	} {
		var log logtest.Text
		h := newProxy(t, Options{Target: c.target, Timeout: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		x := exchangetest.Get(t, e, c.path)
		method := "GET"
		if c.path == "/ws" {
			x = connect(t, e, "websocket")
			method = "CONNECT"
		}
		x.Request().Handling.ID = "id-of-the-request"
		x.Serve(h)
		x.Wait()
		exchangetest.Eventually(t, c.says, func() bool { return log.Has(c.says) })
		if text := log.String(); !strings.Contains(text, "method="+method+" path="+c.path+" request_id=id-of-the-request url=") {
			t.Errorf("%s: %s", c.path, text)
		}
	}
}
