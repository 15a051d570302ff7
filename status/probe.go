package status

import (
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
)

// probes ask loops how long they take to come to something new, which is how long
// a connection has to wait for anything.
type probes struct {
	homes []asteri.Executor

	mu    sync.Mutex
	state []probe
}

// probe is the last question to a loop.
type probe struct {
	asked   time.Time
	pending bool
	lag     time.Duration
}

// probeTimeout is how long a document waits for loops. One that does not come to
// answer is shown as it is.
const probeTimeout = 100 * time.Millisecond

// visit runs look on every loop that comes to it in time, and returns the lag of all,
// in seconds. A loop that has not come to the last question is not asked again.
func (p *probes) visit(look func(home asteri.Executor)) []float64 {
	type outcome struct{ looked chan struct{} }
	now := time.Now()
	var asked []outcome
	p.mu.Lock()
	if p.state == nil {
		p.state = make([]probe, len(p.homes))
	}
	for i, home := range p.homes {
		if p.state[i].pending {
			continue
		}
		o := outcome{make(chan struct{})}
		p.state[i].asked, p.state[i].pending = now, home.Post(func() {
			p.answered(i, now)
			look(home)
			close(o.looked)
		})
		if p.state[i].pending {
			asked = append(asked, o)
		}
	}
	p.mu.Unlock()

	deadline := time.NewTimer(probeTimeout)
	defer deadline.Stop()
	for _, o := range asked {
		select {
		case <-o.looked:
		case <-deadline.C:
			return p.lags()
		}
	}
	return p.lags()
}

func (p *probes) answered(i int, asked time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state[i].pending, p.state[i].lag = false, time.Since(asked)
}

func (p *probes) lags() []float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	lags := make([]float64, len(p.state))
	for i, s := range p.state {
		if s.pending {
			s.lag = time.Since(s.asked)
		}
		lags[i] = seconds(s.lag)
	}
	return lags
}
