package python

import (
	"fmt"
	"strings"
	"testing"
)

// A request that kills workers kills one if it is alone there, and two if it is not, since
// nobody knows then which one it was; those beside it are answered all the same. The log
// names them.
func TestPoison(t *testing.T) {
	for _, app := range []string{"ok", "stream"} {
		t.Run(app, func(t *testing.T) {
			bothLoops(t, func(t *testing.T, loops int) {
				s := serveFake(t, loops, Config{App: app, Workers: 2})
				eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
				path, open := s.gate()
				poison := s.async("GET", "/crash"+strings.TrimPrefix(path, "/gate"))
				s.waitFor("BUSY")
				otherPath, openOther := s.gate()
				other := s.async("GET", otherPath)
				eventually(t, "both are busy", func() bool { return s.count("BUSY") == 2 })
				s.giveCredit()
				var beside []<-chan clientReply
				for i := range 10 {
					beside = append(beside, s.async("GET", fmt.Sprintf("/say?%d", i)))
				}
				eventually(t, "they wait in the links", func() bool { return s.inFlight() == 12 })
				open()
				for i, c := range beside {
					s.expect(s.wait(c), 200, fmt.Sprint(i))
				}
				s.expect(s.wait(poison), 502, "")
				openOther()
				s.expect(s.wait(other), 200, "passed")
				eventually(t, "two workers again", func() bool { return s.count("IDLE") == 2 })
				if n := s.pool.Snapshot().Exits["crashed"]; n != 2 {
					t.Errorf("%d workers died", n)
				}
				died := s.deaths()
				if len(died) != 2 || !strings.Contains(died[0], "GET /crash age=") || !strings.Contains(died[0], "GET /say") ||
					!strings.Contains(died[1], "method=GET path=/crash age=") {
					t.Errorf("the log says of the deaths:\n%s", strings.Join(died, "\n"))
				}
			})
		})
	}
}

// deaths returns what the log says of workers that died.
func (s *server) deaths() (records []string) {
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "worker died") {
			records = append(records, line)
		}
	}
	return records
}

func TestNoRetry(t *testing.T) {
	s := serveFake(t, 1, Config{Workers: 2, NoRetry: true})
	s.expect(s.get("/killed"), 502, "")
	if n := s.pool.Snapshot().Retried; n != 0 {
		t.Errorf("retried %d times", n)
	}
	eventually(t, "the death is recorded", func() bool { return len(s.deaths()) == 1 })
	if died := s.deaths()[0]; !strings.Contains(died, "requests=\"GET /killed age=") {
		t.Errorf("the log says %s", died)
	}
}

// Clients that leave while their requests wait for their turn after a death are forgotten,
// and so are those that wait for too long.
func TestTrialThatNobodyWaitsFor(t *testing.T) {
	p := testPool()
	d := p.dispatcher
	defer d.close()
	l := idleLoop(t)
	tr := &trial{window: 1}
	var calls []*call
	for range 4 {
		c := testCall(p, l)
		calls = append(calls, c)
		if _, ok := d.resubmit(c, l, tr); !ok {
			t.Fatal("refused")
		}
	}
	if d.queue.Len() != 1 || d.heldBack.Len() != 3 || d.waiting() != 4 {
		t.Fatalf("%d queued, %d held back", d.queue.Len(), d.heldBack.Len())
	}
	for range 3 { // there is no worker that it could run for long at
		if next := d.widen(); len(next) != 0 || tr.window != 1 {
			t.Fatalf("the window is %d while the first waits for a worker", tr.window)
		}
	}
	if was, _ := d.withdraw(calls[1]); !was || tr.held != 2 {
		t.Error("a call that was held back was not withdrawn")
	}
	if was, _ := d.withdraw(calls[0]); !was || tr.running != 0 {
		t.Error("the call on trial was not withdrawn")
	}
	w := testWorker(p, 1, l)
	d.add(w)
	if next := d.widen(); len(next) != 1 || next[0].call != calls[2] || next[0].worker != w || d.queue.Len() != 1 || len(d.trials) != 0 {
		t.Errorf("then %d were placed, %d queued, %d trials", len(next), d.queue.Len(), len(d.trials))
	}
	if next := d.endTrials([]*call{calls[2]}, true); len(next) != 0 || tr.running != 1 {
		t.Errorf("%d calls after the last one", tr.running)
	}
	if old := d.expire(1 << 62); len(old) != 1 || old[0] != calls[3] || tr.running != 0 {
		t.Error("the last one did not expire")
	}
}
