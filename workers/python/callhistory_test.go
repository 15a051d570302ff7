package python

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
)

// told is an observer that keeps what handlers noted.
type told chan asteri.Handling

func (c told) ExchangeDone(r *asteri.Record) { c <- r.Request.Handling }

// observed has s listen at another address too, whose exchanges are observed.
func (s *server) observed() (c told, addr string) {
	c = make(told, 100)
	ln, err := s.eng.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{http1.Protocol(s.pool, asteri.WithObserver(c))}})
	if err != nil {
		s.t.Fatal(err)
	}
	return c, ln.Addr().String()
}

// What the observer hears of requests: whole answers, streams, failures.
func TestHandling(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Workers: 2, Model: "sync"})
		c, addr := s.observed()
		pids := map[int]bool{}
		for _, w := range s.pool.Snapshot().Workers {
			pids[w.PID] = true
		}
		for _, path := range []string{"/", "/stream?100000", "/error", "/sleep?20"} {
			req, _ := http.NewRequest("GET", "http://"+addr+path, nil)
			s.send(req)
			h := <-c
			if h.Model != s.ready().Model || h.Queued < 0 || h.Worked <= 0 || h.Worked > time.Minute || !pids[h.Worker] {
				t.Errorf("%s: %+v", path, h)
			}
			if path == "/sleep?20" && h.Worked < 15*time.Millisecond {
				t.Errorf("slept 20 ms, worked %v", h.Worked)
			}
		}
	})
}

// The time that a request waits for a worker is not the time that it waits for its
// own body.
func TestHandlingOfQueue(t *testing.T) {
	s := serveFake(t, 1, Config{Workers: 1})
	c, addr := s.observed()
	gate, open := s.gate()
	first := s.async("GET", gate)
	eventually(t, "the worker is busy", func() bool { return s.inFlight() == 1 })
	go func() {
		if r, err := s.http.Post("http://"+addr+"/body", "text/plain", strings.NewReader("x")); err == nil {
			r.Body.Close()
		}
	}()
	eventually(t, "a second request waits", func() bool { return s.inFlight()+s.pool.Snapshot().Queued == 2 })
	time.Sleep(5 * time.Millisecond) // something to measure
	open()
	s.expect(s.wait(first), 200, "passed")
	if h := <-c; h.Queued < 5*time.Millisecond {
		t.Errorf("%+v", h)
	}
}
