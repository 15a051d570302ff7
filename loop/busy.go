package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

// busyMeter measures how much of the time a loop works, for engines that keep
// as few loops active as they need. A loop that competes with other processes
// looks busy while it only waits for a processor, so the processor time of the
// whole process has to agree.
type busyMeter struct {
	windowStart time.Time
	sleptAt     time.Time
	slept       time.Duration // or polled on, which is no work either
	lookedFor   time.Duration // on, which has used the processor
	cpuStart    time.Duration
}

const (
	busyWindow = 500 * time.Millisecond
	// A loop that sleeps less than this share of a window is saturated ...
	saturatedSleep = 0.05
	// ... if the process also used so much of a core for each active loop.
	saturatedCPU = 0.85
	// Below this share of a core for each loop that would be left, one loop
	// is given up.
	spareCPU = 0.45
	// A process is busy from so much of a core on, with so many connections, until
	// it uses much less or they are gone.
	busyCPU         = 0.25
	calmCPU         = 0.1
	busyConnections = 8
)

func (m *busyMeter) sleeping(now time.Time) { m.sleptAt = now }

func (m *busyMeter) awake(now time.Time) { m.slept += now.Sub(m.sleptAt) }

// polled is called for a time in which the loop polled on where it would have slept.
func (m *busyMeter) polled(d time.Duration) {
	m.slept += d
	m.lookedFor += d
}

// work returns what has happened in a window, in which the process used cpu.
func (m *busyMeter) work(elapsed, cpu time.Duration) busyTime {
	return busyTime{elapsed, m.slept, cpu - m.lookedFor}
}

// measure ends a window, if it is over, adapts the number of active loops, and tells
// OnBusy. Only the last active loop and the first decide, so that there is one opinion
// at a time.
func (l *Loop) measure() {
	m := &l.busy
	elapsed := l.now.Sub(m.windowStart)
	if elapsed < busyWindow {
		return
	}
	cpu := processTime()
	active := l.engine.active.Load()
	if work := m.work(elapsed, cpu-m.cpuStart); !m.windowStart.IsZero() {
		if l.engine.cfg.Adaptive && int(active) == l.id+1 {
			next := adapt(work, int(active), len(l.engine.loops))
			l.engine.active.CompareAndSwap(active, int32(next))
		}
		if l.id == 0 {
			l.engine.watchBusy(work)
		}
	}
	m.windowStart, m.slept, m.lookedFor, m.cpuStart = l.now, 0, 0, cpu
}

// busyTime is what happened in a window: how long it was, how long the last active
// loop slept in it, and how much processor time the process used.
type busyTime struct{ elapsed, slept, cpu time.Duration }

// adapt returns how many of all loops should be active after a window in which
// active were. A window that is much too long says nothing: the loop slept through
// most of it, or was held.
func adapt(t busyTime, active, all int) int {
	if t.elapsed >= 4*busyWindow {
		return active
	}
	window := float64(t.elapsed)
	cores := float64(t.cpu) / window
	switch {
	case float64(t.slept) < saturatedSleep*window && cores > saturatedCPU*float64(active) && active < all:
		return active + 1
	case active > 1 && cores < spareCPU*float64(active-1):
		return active - 1
	}
	return active
}

// isBusy returns whether a process is busy that was so, or was not, before a window.
func isBusy(was bool, t busyTime, connections int64) bool {
	least := busyCPU
	if was {
		least = calmCPU
	}
	return connections >= busyConnections && float64(t.cpu) >= least*float64(t.elapsed)
}

// watchBusy tells OnBusy when the process becomes busy, and when it is no more.
func (e *Engine) watchBusy(t busyTime) {
	was := e.busy.Load()
	if now := isBusy(was, t, e.open.Load()); now != was && e.cfg.OnBusy != nil {
		e.busy.Store(now)
		go e.tellBusy()
	}
}

func (e *Engine) tellBusy() {
	e.busyMu.Lock() // so that the last call has the last word
	defer e.busyMu.Unlock()
	defer recoverFrom(e.cfg.Logger, "Config.OnBusy panicked")
	e.cfg.OnBusy(e.busy.Load())
}

// processTime returns the processor time that this process has used.
func processTime() time.Duration {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return time.Duration(unix.TimevalToNsec(ru.Utime) + unix.TimevalToNsec(ru.Stime))
}
