package http2_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
)

// Handlers on goroutines whose requests were cancelled count until they return, and
// no longer: a connection can cancel any number of requests one after the other.
func TestCancelledHandlersAreForgotten(t *testing.T) {
	var running, most atomic.Int64
	h := workers.ASGI(nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})), workers.Options{})
	client, base := dial(t, listen(t, false, h), false)
	for range 150 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		r, err := http.NewRequestWithContext(ctx, "GET", base, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		res.Body.Close()
	}
	exchangetest.Eventually(t, "all handlers return", func() bool { return running.Load() == 0 })
	if most.Load() > 100 {
		t.Errorf("%d handlers ran at a time", most.Load())
	}
}
