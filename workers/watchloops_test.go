package workers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers"
)

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
			var log logtest.Text
			eng := enginetest.Start(t, loop.Config{Loops: 2})
			addr := eng.Listen(http1.Protocol(h)).String()
			stop := workers.WatchLoops(eng.Loops(), 20*time.Millisecond, log.Logger())
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
					resp, err := http.Get("http://" + addr + "/")
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
			eng.Stop()
		})
	}
}
