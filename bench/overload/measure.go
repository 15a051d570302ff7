package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/asteri/asteri-loop/bench/overload/attack"
)

// The phases of a run.
const (
	settling = 300 * time.Millisecond  // honest clients warm the server up
	resting  = 1200 * time.Millisecond // and are measured without an attack
	// quiet is for how long all must be well again, and recovery the longest wait
	// for it.
	quiet    = time.Second
	recovery = 4 * time.Second
)

const (
	// slow is the least that counts as slower than before.
	slow = 100 * time.Millisecond
	// residue is what buffers may hold beyond what they held before: it is
	// others who use them now.
	residue = 1 << 20
)

var (
	errTooMuch = fmt.Errorf("grew by more than %d GiB, and the attack was ended", tooMuch>>30)
	errEnded   = errors.New("the server ended")
)

// runner measures.
type runner struct {
	place    place
	duration time.Duration
}

// run measures one case.
func (r runner) run(ctx context.Context, c overloadCase, budget int64) (res result, err error) {
	res = result{Attack: c.attack, Title: c.title, Server: c.server, Name: c.server, Budget: budget}
	s, err := r.place.start(ctx, c, budget)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, s.Stop(stopGrace)) }()
	res.Name, res.Command = s.name, s.shown
	all, closing := s.at.everything()
	defer closing()
	m := measurement{
		server: s, series: all, memory: &memory{pid: s.PID, whole: s.whole}, buffers: &buffers{}, began: time.Now(),
	}
	if s.at.admin != "" {
		m.buffers.url = "http://" + s.at.admin + "/asteri-status.json"
	}
	var watching sync.WaitGroup
	asking, stop := context.WithCancel(ctx)
	for _, one := range all {
		watching.Go(func() { one.run(asking, m.began) })
	}
	watching.Go(func() { m.buffers.run(asking) })
	err = m.measure(ctx, c, r.duration, &res)
	stop()
	watching.Wait()
	return res, err
}

// measurement is a run under way.
type measurement struct {
	server  *server
	series  []*series
	memory  *memory
	buffers *buffers
	began   time.Time
}

func (m measurement) since() time.Duration { return time.Since(m.began) }

// measure takes a server through rest, attack and recovery.
func (m measurement) measure(ctx context.Context, c overloadCase, duration time.Duration, res *result) error {
	if !until(ctx, m.began.Add(settling+resting)) {
		return context.Cause(ctx)
	}
	rested := m.since()
	var err error
	if res.Rest, err = m.memory.begin(); err != nil {
		return err
	}
	buffered := m.buffers.peak()
	tally, stopped, err := m.attack(ctx, c, duration, res.Rest)
	if err != nil {
		return err
	}
	attacked := m.since()
	res.Tally, res.Stopped = tally, stopped
	res.Seconds = (attacked - rested).Seconds()
	res.Recovery, res.Recovered, res.Last = m.recover(ctx, attacked, m.slowest(settling, rested), buffered+residue)
	res.Peak, res.Buffers = m.memory.peak(), m.buffers.peak()
	for _, s := range m.series {
		res.Series = append(res.Series, outcome{
			Name: s.label(), Group: s.group, Rest: s.summarize(settling, rested), Attack: s.summarize(rested, attacked),
		})
	}
	return context.Cause(ctx)
}

// slowest returns what counts as slower than before.
func (m measurement) slowest(from, to time.Duration) time.Duration {
	most := slow
	for _, s := range m.series {
		for _, one := range s.between(from, to) {
			most = max(most, 2*one.took)
		}
	}
	return most
}

// attack makes all plans of a case at the same time, each in a process of its own: an
// attacker's descriptors and memory are not the measurement's. It returns why the
// attack was ended early, if it was.
func (m measurement) attack(ctx context.Context, c overloadCase, duration time.Duration, rest int64) (sum attack.Tally, stopped string, err error) {
	attacking, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var watching sync.WaitGroup
	watched, unwatch := context.WithCancel(ctx)
	watching.Go(func() { m.memory.run(watched, rest, stop) })
	defer watching.Wait()
	defer unwatch()
	tallies, failures := make([]attack.Tally, len(c.plans)), make([]error, len(c.plans))
	var attackers sync.WaitGroup
	for i, p := range c.plans {
		p.Address, p.Duration = m.server.at.address, duration+p.Opening()
		if p.Kind == "zero-window" {
			p.Address = m.server.at.h2
		}
		attackers.Go(func() { tallies[i], failures[i] = spawn(attacking, p) })
	}
	attackers.Wait()
	for _, t := range tallies {
		sum = sum.Plus(t)
	}
	if cause := context.Cause(attacking); errors.Is(cause, errTooMuch) || errors.Is(cause, errEnded) {
		return sum, cause.Error(), nil
	}
	return sum, "", errors.Join(failures...)
}

// spawn runs this program as an attacker. It yields the processor to the server and
// to those who measure: attackers have machines of their own.
func spawn(ctx context.Context, p attack.Plan) (attack.Tally, error) {
	var tally attack.Tally
	self, err := os.Executable()
	if err != nil {
		return tally, err
	}
	plan, err := json.Marshal(p)
	if err != nil {
		return tally, err
	}
	cmd := exec.CommandContext(ctx, "nice", "-n", "10", self, attackCommand, string(plan))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = attackGrace
	out, err := cmd.Output()
	if err != nil {
		return tally, fmt.Errorf("attack %s: %w", p.Kind, err)
	}
	return tally, json.Unmarshal(out, &tally)
}

// recover waits until all is as before, and returns how long after the end of the
// attack the last thing was not, and what that was.
func (m measurement) recover(ctx context.Context, attacked, slowest time.Duration, buffered int64) (took float64, ok bool, last string) {
	trouble := attacked
	for now := m.since(); now < attacked+recovery && until(ctx, m.began.Add(now+20*time.Millisecond)); {
		now = m.since()
		if what := m.buffers.above(buffered); what != "" {
			trouble, last = now, what
		}
		calm := true
		for _, s := range m.series {
			since, ok := s.calmSince(now, quiet, slowest)
			if since > trouble || !ok && last == "" {
				last = s.label()
			}
			trouble, calm = max(trouble, since), calm && ok
		}
		if calm && now-trouble >= quiet {
			return (trouble - attacked).Seconds(), true, last
		}
	}
	return recovery.Seconds(), false, last
}
