package status

import (
	"os"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/internal/system/procstat"
)

// usage follows what processes use. The system may keep who asks for it waiting, for
// instance behind a process that is stuck in it, so one goroutine asks at a time, and
// the others make do with what is known.
type usage struct {
	mu        sync.Mutex
	asking    chan struct{} // closed when the present round is over; nil without one
	processes map[int]*used
	host      procstat.Host
	before    procstat.Host // at the beginning of the share
	hostAt    time.Time
	share     float64
}

// used is what is known of a process.
type used struct {
	Process
	cpu   time.Duration // at the time at
	at    time.Time
	pssAt time.Time
}

const (
	// usageTimeout is how long a document waits for a round.
	usageTimeout = 100 * time.Millisecond
	// shareOver is the least time over which shares of processors are computed:
	// the system counts in steps of 10 ms.
	shareOver = 900 * time.Millisecond
	// pssEvery spares the kernel, which walks all pages of a process for it.
	pssEvery = 15 * time.Second
	// pssRound bounds the time that one round takes for it.
	pssRound = 10 * time.Millisecond
)

// fill adds to a document what its processes use.
func (u *usage) fill(doc *Report) {
	pids := []int{os.Getpid()}
	for i := range doc.Workers {
		pids = append(pids, doc.Workers[i].PID)
	}
	select {
	case <-u.refresh(pids):
	case <-time.After(usageTimeout):
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	doc.Host = Host{CPUs: u.host.CPUs, CPU: u.share, Load: u.host.Load, Memory: u.host.Memory, Available: u.host.Available}
	doc.Process = u.of(pids[0])
	for i := range doc.Workers {
		doc.Workers[i].Process = u.of(doc.Workers[i].PID)
	}
}

func (u *usage) of(pid int) Process {
	if p := u.processes[pid]; p != nil {
		return p.Process
	}
	return Process{}
}

// refresh begins a round unless one is under way, and returns what is closed at its
// end.
func (u *usage) refresh(pids []int) <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.asking == nil {
		u.asking = make(chan struct{})
		go u.ask(pids, u.asking)
	}
	return u.asking
}

// ask reads all that is needed, then enters it.
func (u *usage) ask(pids []int, done chan struct{}) {
	defer close(done)
	host, hostErr := procstat.ReadHost()
	type reading struct {
		procstat.Usage
		at time.Time
	}
	read := make(map[int]reading, len(pids))
	for _, pid := range pids {
		if pid <= 0 { // is being started
			continue
		}
		if now, err := procstat.Read(pid); err == nil {
			read[pid] = reading{now, time.Now()}
		}
	}
	pss := u.readPSS(pids)

	u.mu.Lock()
	defer u.mu.Unlock()
	u.asking = nil
	if hostErr == nil {
		u.enterHost(host)
	} else {
		u.host.CPUs = host.CPUs
	}
	before := u.processes
	u.processes = make(map[int]*used, len(read)) // forgets those that have gone
	for pid, now := range read {
		p := before[pid]
		if p == nil {
			p = new(used)
		}
		p.enter(now.Usage, now.at)
		if n, ok := pss[pid]; ok {
			p.PSS, p.pssAt = n, now.at
		}
		u.processes[pid] = p
	}
}

func (u *usage) enterHost(h procstat.Host) {
	now := time.Now()
	u.host = h
	if now.Sub(u.hostAt) < shareOver {
		return
	}
	if total := h.Total - u.before.Total; total > 0 { // since the machine's start, the first time
		u.share = round(float64(h.Busy-u.before.Busy)/float64(total), 1e3)
	}
	u.before, u.hostAt = h, now
}

func (p *used) enter(now procstat.Usage, at time.Time) {
	p.RSS, p.CPUSeconds = now.RSS, now.CPU.Seconds()
	switch elapsed := at.Sub(p.at); {
	case p.at.IsZero():
		p.cpu, p.at = now.CPU, at
	case elapsed >= shareOver:
		p.CPU = round(float64(now.CPU-p.cpu)/float64(elapsed), 1e3)
		p.cpu, p.at = now.CPU, at
	}
}

// readPSS reads those that were read the longest ago, as many as the time allows.
func (u *usage) readPSS(pids []int) map[int]int64 {
	began := time.Now()
	read := make(map[int]int64)
	for _, pid := range pids {
		if pid <= 0 || began.Sub(u.pssRead(pid)) < pssEvery {
			continue
		}
		if n, err := procstat.PSS(pid); err == nil {
			read[pid] = n
		}
		if time.Since(began) > pssRound {
			break
		}
	}
	return read
}

func (u *usage) pssRead(pid int) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.processes[pid]; p != nil {
		return p.pssAt
	}
	return time.Time{}
}

// round keeps as many digits as mean something.
func round(x, unit float64) float64 { return float64(int64(x*unit+0.5)) / unit }
