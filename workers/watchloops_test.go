package workers_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/exchangetest"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers"
)

type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func holdsTheLoop(release <-chan struct{}) { <-release }

func TestWatchLoops(t *testing.T) {
	release := make(chan struct{}, 1)
	native := workers.Tornado(asteri.HandlerFunc(func(x asteri.Exchange) {
		holdsTheLoop(release)
		_ = x.Respond(200, nil, nil)
	}))
	coroutine := workers.GTornado(workers.HandlerFunc(func(c *workers.Call) {
		holdsTheLoop(release)
		_ = c.Respond(200, nil, nil)
	}), workers.Options{})
	defer coroutine.Close()
	for name, h := range map[string]asteri.Handler{"tornado": native, "gtornado": coroutine} {
		t.Run(name, func(t *testing.T) {
			var log lockedLog
			eng, err := loop.New(loop.Config{Loops: 2})
			if err != nil {
				t.Fatal(err)
			}
			ln, err := eng.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{http1.Protocol(h)}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- eng.Run(ctx) }()
			stop := workers.WatchLoops(eng.Loops(), 20*time.Millisecond, slog.New(slog.NewTextHandler(&log, nil)))
			stuck := func() (n int) {
				for line := range strings.Lines(log.String()) {
					if strings.Contains(line, "an event loop is stuck") && strings.Contains(line, "holdsTheLoop") {
						n++
					}
				}
				return n
			}
			for n := 1; n <= 2; n++ { // told once each time
				answered := make(chan error, 1)
				go func() {
					resp, err := http.Get("http://" + ln.Addr().String() + "/")
					if err == nil {
						resp.Body.Close()
					}
					answered <- err
				}()
				exchangetest.Eventually(t, "the log", func() bool { return stuck() == n })
				release <- struct{}{}
				if err := <-answered; err != nil {
					t.Error(err)
				}
			}
			stop()
			stop()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
