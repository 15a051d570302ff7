package python

import (
	"testing"
	"time"

	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
)

// Requests that wait behind a slow one go before those that came later as soon as another
// worker makes progress, also if it is never free.
func TestRecallForBusyWorkers(t *testing.T) {
	s := serveFake(t, 2, Config{Workers: 2})
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
	stuckPath, openStuck := s.gate()
	busyPath, openBusy := s.gate()
	stuck, busy := s.async("GET", stuckPath), s.async("GET", busyPath)
	eventually(t, "both are busy", func() bool { return s.count("BUSY") == 2 })
	s.giveCredit()
	var early, late []<-chan clientReply
	for range 2 * dispatch.MaxCredit {
		early = append(early, s.async("POST", "/sleep?10"))
	}
	eventually(t, "they wait in the links", func() bool { return s.inFlight() == 2+2*dispatch.MaxCredit })
	for range dispatch.MaxCredit {
		late = append(late, s.async("POST", "/sleep?10"))
	}
	eventually(t, "others queue", func() bool { return s.pool.Snapshot().Queued == dispatch.MaxCredit })
	openBusy()
	s.expect(s.wait(busy), 200, "passed")
	for _, c := range early {
		s.expect(s.wait(c), 200, "slept")
	}
	if n := s.pool.Snapshot().Queued; n == 0 {
		t.Error("the first requests were the last ones to be answered")
	}
	for _, c := range late {
		s.expect(s.wait(c), 200, "slept")
	}
	openStuck()
	s.expect(s.wait(stuck), 200, "passed")
}

// A worker that starts all it gets may be stuck before it has: its loop is blocked. What it
// has not begun with goes to another one, whatever the method, and it gets nothing new.
func TestRecallFromAStuckLoop(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{App: "stream", Workers: 2})
		eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
		firstPath, openFirst := s.gate()
		stuckPath, openStuck := s.gate()
		first, stuck := s.async("GET", firstPath), s.async("GET", stuckPath)
		eventually(t, "both are busy", func() bool { return s.count("BUSY") == 2 })
		var behind []<-chan clientReply
		for range 20 {
			behind = append(behind, s.async("POST", "/"))
		}
		eventually(t, "they wait in the links", func() bool { return s.inFlight() == 22 })
		if n := s.taking(); n != 2 {
			t.Errorf("%d workers take requests, while none makes progress", n)
		}
		openFirst()
		s.expect(s.wait(first), 200, "passed")
		for _, c := range behind {
			s.expect(s.wait(c), 200, "hello")
		}
		eventually(t, "the stuck one gets nothing", func() bool { return s.taking() == 1 })
		openStuck()
		s.expect(s.wait(stuck), 200, "passed")
		eventually(t, "it gets requests again", func() bool { return s.taking() == 2 })
		if n := s.pool.Snapshot().Exits["protocol_violation"]; n != 0 {
			t.Errorf("%d workers broke the protocol", n)
		}
	})
}

// taking returns how many workers get requests.
func (s *server) taking() int {
	all, _ := s.pool.dispatcher.Serving()
	return len(all)
}

// A worker that is only slow to answer, and reads its link, is left alone, and asked once.
func TestSlowAnswersAreNoStuckLoop(t *testing.T) {
	s := serveFake(t, 1, Config{App: "tasks", Workers: 2})
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
	path, open := s.gate()
	slow := s.async("GET", path)
	eventually(t, "it is known to run", func() bool {
		all, looking := s.pool.dispatcher.Serving()
		for _, w := range all {
			if w.Calls == 1 && !w.MayWait {
				return len(all) == 2 && !looking
			}
		}
		return false
	})
	open()
	s.expect(s.wait(slow), 200, "passed")
}

// Requests that a worker has not begun with when another of its requests has run out of time
// do not run out of time with it.
func TestTimeoutIsOfTheRequestThatRuns(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{App: "stream", Workers: 1, Timeout: 300 * time.Millisecond, QueueTimeout: patience})
		slow := s.async("GET", "/hang")
		s.waitFor("BUSY")
		var behind []<-chan clientReply
		for range 4 {
			behind = append(behind, s.async("POST", "/"))
		}
		s.expect(s.wait(slow), 504, "")
		for _, c := range behind {
			s.expect(s.wait(c), 200, "hello")
		}
		if n := s.pool.Snapshot().TimedOut; n != 1 {
			t.Errorf("%d requests timed out", n)
		}
	})
}
