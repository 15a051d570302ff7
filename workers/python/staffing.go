package python

import (
	"time"

	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/procstat"
	"github.com/asteri/asteri-loop/workers/python/internal/scale"
)

// How many workers there are to be.

// staffing is what the supervisor knows of that, beside the number.
type staffing struct {
	scaler scale.Scaler
	fixed  bool // an operator has said how many, until a reload

	cpu   float64 // processors that the workers use
	cpuAt time.Duration
	used  map[int]time.Duration // processor time, by process
}

// Staffing is how many workers a pool is to have.
type Staffing struct {
	// Wanted is how many there are to be, Least and Most between what, by their load. Both are
	// 0 if the number does not go by the load.
	Wanted, Least, Most int
	// Load is how many of them are at work, of late, in parts of one.
	Load float64
	// Fixed says that an operator has chosen the number, until a reload.
	Fixed bool
}

// scales tells whether the number goes by the load.
func (c *Config) scales() bool { return c.MaxWorkers > c.Workers }

// workersOf is how many workers a generation is to begin with. Where the load decides it is
// as many as there are.
func (s *supervisor) workersOf(cfg *Config) int {
	if !cfg.scales() {
		return cfg.Workers
	}
	return min(max(s.wanted, cfg.Workers), cfg.MaxWorkers)
}

// want changes the number of workers.
func (s *supervisor) want(n int, why string) {
	if n == s.wanted {
		return
	}
	before := s.wanted
	s.wanted = n
	s.pool.log.Info("number of workers changed", "wanted", n, "reason", why)
	s.tellWanted(before)
	s.tellStaffing()
}

// tellStaffing has others know.
func (s *supervisor) tellStaffing() {
	now := Staffing{Wanted: s.wanted, Fixed: s.staffing.fixed}
	if s.config.scales() {
		now.Least, now.Most, now.Load = s.config.Workers, s.config.MaxWorkers, s.staffing.scaler.Mean()
	}
	s.pool.staffing.Store(&now)
}

// fix has as many workers as an operator says.
func (s *supervisor) fix(n int) {
	s.staffing.fixed = true
	s.want(max(1, n), "an operator")
}

// release has the load decide again.
func (t *staffing) release() {
	t.fixed = false
	t.scaler.Settle()
}

// scaleByLoad has one worker more or one fewer, if the load has asked for that for long
// enough. A step is over when all workers are ready: until then there is no other.
func (s *supervisor) scaleByLoad(now time.Duration) {
	t := &s.staffing
	defer s.tellStaffing()
	if !s.config.scales() {
		return
	}
	live := s.live(s.generation)
	if s.stopping || s.awaiting || t.fixed || s.reload != nil || len(live) != s.wanted || anyStarting(live) {
		t.scaler.Settle()
	} else if step := t.scaler.Decide(now, s.wanted, s.load(now, live)); step != 0 {
		s.want(min(max(s.wanted+step, s.config.Workers), s.config.MaxWorkers), "load")
	}
}

// load is what the workers have to do. Their processor time, which is kept in hundredths of
// a second, is looked at once a second.
func (s *supervisor) load(now time.Duration, live []*worker) (l scale.Load) {
	t := &s.staffing
	l.Busy, l.Wait = s.pool.dispatcher.Load()
	if passed := now - t.cpuAt; passed >= time.Second {
		used := make(map[int]time.Duration, len(live))
		var spent time.Duration
		for _, w := range live {
			pid := int(w.pid.Load())
			u, err := procstat.Read(pid)
			if err != nil {
				continue // it has ended
			}
			used[pid] = u.CPU
			if before, known := t.used[pid]; known {
				spent += u.CPU - before
			}
		}
		t.used, t.cpu, t.cpuAt = used, float64(spent)/float64(passed), now
	}
	l.CPU = t.cpu
	return l
}

// limitLife relieves workers that have served for long enough.
func (s *supervisor) limitLife(now time.Duration) {
	for _, w := range s.workers {
		if w.life > 0 && w.is(stateReady) && now-w.supervised.readyAt >= w.life {
			s.relieve(w, "max-worker-lifetime")
		}
	}
}

// measureEvery is how often the memory of workers is looked at: the kernel walks all pages
// of one that may be too great.
const measureEvery = 5 * time.Second

// limitMemory has the memory of workers measured, on a goroutine, since a process that hangs in
// the kernel holds up who asks.
func (s *supervisor) limitMemory(now time.Duration) {
	limit := s.config.MaxRSS
	if limit <= 0 || s.measuring || now < s.measureAt {
		return
	}
	s.measureAt, s.measuring = now+measureEvery, true
	var ready []*worker
	for _, w := range s.workers {
		if w.is(stateReady) {
			ready = append(ready, w)
		}
	}
	go func() {
		greatest, size := greatestOver(limit, ready)
		s.post(func(s *supervisor) {
			s.measuring = false
			if greatest != nil {
				s.relieveOfMemory(greatest, size)
			}
		})
	}()
}

// greatestOver returns the worker with the most memory, and how much that is, if it is more
// than limit. One whose pages are no more in full is so in part.
func greatestOver(limit int64, workers []*worker) (greatest *worker, most int64) {
	for _, w := range workers {
		pid := int(w.pid.Load())
		if u, err := procstat.Read(pid); err != nil || u.RSS <= limit {
			continue
		}
		if pss, err := procstat.PSS(pid); err == nil && pss > max(limit, most) {
			greatest, most = w, pss
		}
	}
	return greatest, most
}

// relieveOfMemory has a worker relieved that has too much memory, one at a time. One that has
// not served for long would only be followed by another like it.
func (s *supervisor) relieveOfMemory(w *worker, size int64) {
	for _, o := range s.workers {
		if o.supervised.due && o.is(stateReady, stateDraining) {
			return
		}
	}
	if !w.is(stateReady) || s.reload != nil {
		return
	}
	if w.served.Load() == 0 || awake.Now()-w.supervised.readyAt < steadyAfter {
		w.log.Warn("worker has more memory than max-worker-rss, and has only just begun", "pss", size, "limit", s.config.MaxRSS)
		return
	}
	w.log.Warn("worker has more memory than it may", "pss", size, "limit", s.config.MaxRSS)
	s.relieve(w, "max-worker-rss")
}
