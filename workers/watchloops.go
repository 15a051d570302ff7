package workers

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop/loop"
)

// WatchLoops logs an event loop, with its stack, that has done nothing for longer
// than limit because a handler holds it, which under tornado and gtornado nothing
// can interrupt. Each such stop is logged once. The function that it returns ends
// the watch.
func WatchLoops(loops []*loop.Loop, limit time.Duration, log *slog.Logger) (stop func()) {
	w := &loopWatch{limit: limit, log: log, ended: make(chan struct{})}
	for _, l := range loops {
		w.pulses = append(w.pulses, &pulse{loop: l})
	}
	go w.run()
	return sync.OnceFunc(func() { close(w.ended) })
}

type loopWatch struct {
	limit  time.Duration
	log    *slog.Logger
	pulses []*pulse
	ended  chan struct{}
}

// pulse is felt by posting to the loop and waiting for it to run what was posted.
type pulse struct {
	loop  *loop.Loop
	asked time.Time // when the last function was posted
	told  bool      // that it has not run
	beat  atomic.Bool
}

func (w *loopWatch) run() {
	for _, p := range w.pulses {
		p.beat.Store(true)
	}
	tick := time.NewTicker(max(w.limit/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-w.ended:
			return
		case now := <-tick.C:
			for _, p := range w.pulses {
				w.feel(p, now)
			}
		}
	}
}

func (w *loopWatch) feel(p *pulse, now time.Time) {
	switch {
	case p.beat.Load():
		p.beat.Store(false)
		p.asked, p.told = now, false
		if !p.loop.Post(func() { p.beat.Store(true) }) {
			p.beat.Store(true) // it has ended
		}
	case !p.told && now.Sub(p.asked) > w.limit:
		p.told = true
		stack := takeStacks().loop(p.loop)
		if strings.Contains(stack, "(*Loop).wait(") {
			return // it waits for a processor on a machine that has too much to do
		}
		w.log.Error("an event loop is stuck in a handler", "loop", p.loop.ID(), "time", w.limit, "stack", stack)
	}
}

// loop returns the stack of the goroutine that a loop is stuck on. That is
// not the loop's own if it is within a coroutine.
func (d dump) loop(l *loop.Loop) string {
	stack := d.method("(*Loop).run", l)
	if !strings.Contains(stack, "(*coroutine).resume") {
		return stack
	}
	for one := range d.goroutines() {
		if head, _, _ := strings.Cut(one, "\n"); !strings.Contains(head, "[coroutine") && strings.Contains(one, "(*coroutine).serve") {
			stack += "\n\n" + one
		}
	}
	return stack
}
