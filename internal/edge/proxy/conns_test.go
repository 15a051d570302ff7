package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// However many clients ask, the server gets so many connections; some wait for their turn,
// the others are told to come again.
func TestConnectionsAreBounded(t *testing.T) {
	const most, queue, clients = 3, 5, 20
	var open, peak atomic.Int32
	release := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			for n := open.Add(1); ; {
				if p := peak.Load(); n <= p || peak.CompareAndSwap(p, n) {
					break
				}
			}
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	h := newProxy(t, Options{Target: server.URL, MaxConns: most, QueueSize: queue, Timeout: enginetest.Patience})
	base := serve(t, h)
	var served, refused atomic.Int32
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			res, err := http.Get(base)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			switch body, _ := io.ReadAll(res.Body); {
			case res.StatusCode == http.StatusOK && string(body) == "done":
				served.Add(1)
			case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
				refused.Add(1)
			default:
				t.Errorf("%d, %q, %v", res.StatusCode, body, res.Header)
			}
		})
	}
	exchangetest.Eventually(t, "all have asked", func() bool { return h.Stats().Refused == clients-most-queue })
	close(release)
	all.Wait()
	if served.Load() != most+queue || refused.Load() != clients-most-queue {
		t.Errorf("%d served, %d refused", served.Load(), refused.Load())
	}
	if peak.Load() > most {
		t.Errorf("the server had %d connections", peak.Load())
	}
}
