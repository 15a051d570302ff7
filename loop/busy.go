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
	slept       time.Duration
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
)

func (m *busyMeter) sleeping(now time.Time) { m.sleptAt = now }

func (m *busyMeter) awake(now time.Time) { m.slept += now.Sub(m.sleptAt) }

// measure ends a window, if it is over, and adapts the number of active loops.
// Only the last active loop decides, so that there is one opinion at a time.
func (l *Loop) measure() {
	m := &l.busy
	elapsed := l.now.Sub(m.windowStart)
	if elapsed < busyWindow {
		return
	}
	cpu := processTime()
	active := l.engine.active.Load()
	if !m.windowStart.IsZero() && int(active) == l.id+1 && elapsed < 4*busyWindow {
		perLoop := float64(cpu-m.cpuStart) / float64(elapsed) / float64(active)
		switch {
		case float64(m.slept) < saturatedSleep*float64(elapsed) && perLoop > saturatedCPU && int(active) < len(l.engine.loops):
			l.engine.active.CompareAndSwap(active, active+1)
		case active > 1 && perLoop*float64(active) < spareCPU*float64(active-1):
			l.engine.active.CompareAndSwap(active, active-1)
		}
	}
	m.windowStart, m.slept, m.cpuStart = l.now, 0, cpu
}

// processTime returns the processor time that this process has used.
func processTime() time.Duration {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return time.Duration(unix.TimevalToNsec(ru.Utime) + unix.TimevalToNsec(ru.Stime))
}
