package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/internal/system/handover"
	"github.com/asteri/asteri-loop/internal/system/notify"
	"github.com/asteri/asteri-loop/internal/system/scheduling"
	"github.com/asteri/asteri-loop/server"
)

// upgrades has another process of the program as it is on disk now take the place of this
// one, one at a time.
type upgrades struct {
	mu      sync.Mutex
	begun   bool
	cancel  context.CancelFunc // of the one that runs
	ended   chan struct{}      // closed when it has
	success chan *succession   // capacity 1
}

// succession is an upgrade that has succeeded.
type succession struct {
	*handover.Successor
	used []server.Socket
}

// state is what a process tells its successor beside its sockets.
type state struct {
	Token string `json:"token"`
	// Listening are the addresses in place of those in the settings, where a service manager
	// has opened some.
	Listening  []string `json:"listening,omitempty"`
	Keys       []byte   `json:"keys"` // what those of HTTP/3 are made of
	Generation byte     `json:"generation"`
}

// confirmation is how long a new process has to live before the old one lets it alone: until
// then the old one would go on.
const confirmation = 3 * time.Second

// Why there is no upgrade.
var (
	errUpgrading = errors.New("an upgrade is under way")
	errSucceeded = errors.New("another process has taken over: ask that")
	errProcess1  = errors.New("the server is process 1, with which its container ends: start another container")
)

// upgrade is what USR2 and ctl upgrade do. It returns the process id of the new process
// when that serves in the place of this one.
func (p *program) upgrade(ctx context.Context) (pid int, err error) {
	ctx, done, err := p.beginUpgrade(ctx)
	if err != nil {
		p.logs.Warn("Not upgraded: " + err.Error())
		return 0, err
	}
	p.logs.Info("Upgrading: starting " + os.Args[0])
	next, err := p.replace(ctx)
	done(next)
	if err != nil {
		p.logs.Error("Not upgraded, this process serves on: " + err.Error())
		return 0, err
	}
	return next.PID(), nil
}

// beginUpgrade takes the turn, if nothing speaks against it. done is to be called with the
// outcome.
func (p *program) beginUpgrade(ctx context.Context) (_ context.Context, done func(*succession), err error) {
	u := &p.upgrades
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case os.Getpid() == 1:
		return nil, nil, errProcess1
	case u.success == nil:
		return nil, nil, errNotNow
	case u.begun:
		return nil, nil, errUpgrading
	case len(u.success) > 0:
		return nil, nil, errSucceeded
	case p.before.Draining():
		return nil, nil, fmt.Errorf("process %d, in whose place this one has come, still drains: try again when it has ended", p.before.PID())
	}
	ctx, u.cancel = context.WithCancel(ctx)
	u.begun, u.ended = true, make(chan struct{})
	return ctx, func(next *succession) {
		u.cancel()
		u.mu.Lock()
		u.begun = false
		if next != nil {
			u.success <- next
		}
		u.mu.Unlock()
		close(u.ended)
	}, nil
}

// begin lets upgrades be asked for.
func (u *upgrades) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.success = make(chan *succession, 1)
}

// end gives up the upgrade that runs, and returns it if it has succeeded all the same.
func (u *upgrades) end() *succession {
	u.mu.Lock()
	ended := u.ended
	if u.begun {
		u.cancel()
	}
	u.mu.Unlock()
	if ended != nil {
		<-ended // soon: see replace
	}
	select {
	case s := <-u.success:
		return s
	default:
		return nil
	}
}

// replace starts a process and has it take over. While ctx is not done it may fail without
// harm: this process goes on as if nothing had been.
func (p *program) replace(ctx context.Context) (*succession, error) {
	estate, err := p.server.Estate()
	if err != nil {
		return nil, err
	}
	next, err := p.startSuccessor(estate)
	if err != nil {
		p.server.Rescind(context.Background())
		return nil, err
	}
	s := &succession{Successor: next}
	if err = p.handOver(ctx, s); err == nil {
		err = p.confirm(ctx, s)
	}
	if err != nil {
		p.server.Follow(nil)
		p.server.Rescind(context.Background())
		return nil, errors.Join(err, next.End())
	}
	p.server.Yield(s.used)
	return s, nil
}

func (p *program) startSuccessor(estate *server.Inheritance) (*handover.Successor, error) {
	text, err := json.Marshal(state{p.token, p.listening, estate.Secret, estate.Generation})
	if err != nil {
		return nil, err
	}
	o := handover.Offer{State: text}
	for _, s := range estate.Sockets {
		o.Sockets = append(o.Sockets, handover.Socket{Use: string(s.Use), Addr: s.Addr, FDs: s.FDs})
	}
	p.hooks.call("pre_exec")
	next, err := handover.Start(handover.Command{
		Path: os.Args[0], Args: p.input.Args, Env: p.input.Environ, Dir: p.input.Dir,
	}, o)
	if err != nil {
		return nil, err
	}
	_ = scheduling.Spawned(next.PID()) // without it the process only waits for its turn more often
	return next, nil
}

// handOver waits until the new process could serve, and has it. From then on this one
// serves the connections that it has.
func (p *program) handOver(ctx context.Context, s *succession) error {
	cfg := p.live.Load()
	ready, cancel := context.WithTimeout(ctx, cfg.UpgradeTimeout)
	defer cancel()
	used, err := s.AwaitReady(ready)
	if err != nil {
		return err
	}
	for _, u := range used {
		s.used = append(s.used, server.Socket{Use: server.Use(u.Use), Addr: u.Addr})
	}
	if err := p.server.Pause(ready); err != nil {
		return err
	}
	p.server.Lend(s.used)
	if err := s.TakeOver(p.server.Totals()); err != nil {
		return err
	}
	p.server.Follow(func(totals []byte) ([]byte, error) { return s.Ask(totals, askTimeout) })
	p.mainProcess(s.PID())
	return nil
}

// askTimeout is how long a scrape of this process waits for the new one.
const askTimeout = 2 * time.Second

// confirm waits until the new process has proved itself.
func (p *program) confirm(ctx context.Context, s *succession) error {
	proved := time.NewTimer(confirmation)
	defer proved.Stop()
	select {
	case <-s.Exited():
		p.mainProcess(os.Getpid())
		return fmt.Errorf("the new process has died as soon as it served: %w", s.Death())
	case <-proved.C:
	case <-ctx.Done(): // this process is to end: the other one is there
	}
	return nil
}

// mainProcess is told whenever another process is the one that serves: this one when it
// begins to, or goes on since its successor has died, or its successor. What has to know
// of it, such as a file with the process id, belongs here.
func (p *program) mainProcess(pid int) {
	p.logs.Debug("The main process is another one", "process", pid)
	p.tell(notify.MainPID(pid)) // of the two the manager heeds the one that it takes for the main one
	if pid == os.Getpid() {
		p.takePID()
	}
}

// retire drains this process, in whose place another one serves.
func (p *program) retire(s *succession) {
	defer s.Release()
	p.logs.Info("Upgraded: another process serves, and this one finishes what it has begun", "process", s.PID())
	told, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		p.tellTotals(s, stop)
	}()
	sig := p.whileServing(func(ctx context.Context) {
		_ = p.server.Drain(ctx) // which logs who could not be answered
	})
	close(stop)
	<-told
	if sig != nil {
		p.logs.Warn("Stopping at once: " + signalName(sig))
	}
}

// tellTotals tells the new process what this one counts until its end.
func (p *program) tellTotals(s *succession, stop <-chan struct{}) {
	tick := time.NewTicker(totalsPeriod)
	defer tick.Stop()
	for last := false; !last; {
		select {
		case <-tick.C:
		case <-stop:
			last = true
		case <-s.Exited():
			p.logs.Error("The new process has ended while this one drains", "reason", s.Death())
			return
		}
		if s.Totals(p.server.Totals()) != nil {
			return // it is gone, which is told above
		}
	}
}

// totalsPeriod is how often a process that drains tells what it has counted.
const totalsPeriod = time.Second
