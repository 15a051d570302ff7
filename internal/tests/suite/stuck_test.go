//go:build linux

package suite

import (
	"strings"
	"sync"
	"testing"
)

// blockingModels are the applications that block a worker, or end it, by model.
var blockingModels = map[string]string{
	"sync": "blocking:wsgi", "gthread": "blocking:wsgi", "gevent": "blocking:wsgi", "tornado": "blocking:wsgi",
	"gtornado": "blocking:wsgi", "asgi": "blocking:asgi",
}

// TestQuickRequestsBesideAStuckWorker: a request that blocks a worker, its event loop
// included, holds up no other while there is a second worker.
func TestQuickRequestsBesideAStuckWorker(t *testing.T) {
	t.Parallel()
	for model, application := range blockingModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(application, model+":2")...)
			g := newGate(t)
			stuck := s.over(t, "http").send("GET", "/block?"+g.query())
			s.eventually("a worker is stuck", func() bool { return len(g.pids()) == 1 })
			var all sync.WaitGroup
			for range 20 {
				c := s.over(t, "http")
				all.Go(func() {
					for range 20 {
						if a, err := c.try(c.request("GET", "/", nil)); err != nil || a.StatusCode != 200 {
							t.Errorf("beside a stuck worker: %+v, %v", a, err)
							return
						}
					}
				})
			}
			all.Wait()
			g.open()
			stuck.answer().want(t, 200)
			for _, sign := range []string{"worker killed", "worker died", "sent what it may not"} {
				if strings.Contains(s.log.text(), sign) {
					t.Errorf("the log has %q", sign)
				}
			}
		})
	}
}

// TestPoisonIsNotRepeated: a request that kills its worker is named in the log, by its id,
// and kills no other.
func TestPoisonIsNotRepeated(t *testing.T) {
	t.Parallel()
	for model, application := range blockingModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(application, model+":2")...)
			c := s.over(t, "http")
			c.get("/poison").want(t, 502)
			s.awaitLog(`worker died .*signal 11.* method=GET path=/poison request_id=\S+ age=`)
			c.get("/").want(t, 200)
			if n := strings.Count(s.log.text(), "worker died"); n != 1 {
				t.Errorf("%d workers died", n)
			}
		})
	}
}

// TestPoisonTakesNobodyAlong: what a worker had beside the request that killed it is
// answered by others, though nobody knows at first which one that was.
func TestPoisonTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	s := start(t, app("blocking:asgi", "asgi:1")...)
	g := newGate(t)
	var beside []*pending
	for range 10 {
		beside = append(beside, s.over(t, "http").send("GET", "/wait?"+g.query()))
	}
	s.eventually("they are at work", func() bool { return len(g.pids()) == 10 })
	poison := s.over(t, "http").send("GET", "/poison")
	s.awaitLog(`worker died(.|\n)*GET /poison`)
	g.open()
	for _, p := range beside {
		p.answer().want(t, 200)
	}
	poison.answer().want(t, 502)
	s.awaitLog(`worker died .* method=GET path=/poison`)
	if n := strings.Count(s.log.text(), "worker died"); n != 2 {
		t.Errorf("%d workers died", n)
	}
}
