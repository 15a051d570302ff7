package main

import (
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/system/activation"
	"github.com/asteri/asteri-loop/internal/system/notify"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/server"
)

// takeSockets has the server listen at what the service manager has opened, beside what it
// opens itself.
func (p *program) takeSockets(l *server.Listen, cfg *config.Config) (err error) {
	if p.listening != nil { // by the process before, which had the sockets
		l.Addresses = p.listening
		return nil
	}
	addresses := l.Addresses
	if !p.asked("bind") && len(p.passed) > 0 {
		addresses = nil
	}
	if l.Addresses, err = p.passed.Listen(addresses); err != nil {
		return &server.ConfigError{Field: "Listen.Addresses", Err: err}
	}
	if len(p.passed) > 0 {
		p.listening = l.Addresses
	}
	if cfg.Speaks("h3") && cfg.Serves("https") {
		l.Packets, err = p.passed.Packets()
	}
	for _, name := range p.passed.Unused() {
		p.logs.Warn("A socket that the service manager has passed is for none of --bind, and is closed", "socket", name)
	}
	return err
}

// withoutPassed is for --check-config, to which nobody passes sockets.
func withoutPassed(addresses []string) (rest []string) {
	for _, addr := range addresses {
		if !strings.HasPrefix(addr, activation.Prefix) {
			rest = append(rest, addr)
		}
	}
	return rest
}

// tell tells the service manager, if there is one.
func (p *program) tell(lines ...string) {
	if err := notify.Send(lines...); err != nil {
		p.logs.Warn(err.Error())
	}
}

// tellReady says that the server serves, and what.
func (p *program) tellReady(further string) {
	var what []string
	for _, one := range p.server.Applications() {
		what = append(what, serving(one))
	}
	p.tell(notify.Ready, notify.Status(further+"Serving "+strings.Join(what, "; ")+" at "+strings.Join(p.urls(), " ")))
}

// keepAlive tells the service manager at half the time that it grants that the server is
// alive, as long as all loops are. It returns what ends that.
func (p *program) keepAlive() (end func()) {
	limit, err := notify.Watchdog()
	if err != nil {
		p.logs.Warn("The service manager's watchdog is not told: " + err.Error())
	}
	if limit <= 0 {
		return func() {}
	}
	over := make(chan struct{})
	ticks := time.NewTicker(limit / 2)
	go func() {
		for {
			if allAnswer(p.server.Engine().Loops(), limit/4) {
				p.tell(notify.Alive)
			} else {
				p.logs.Error("An event loop does not answer: the service manager's watchdog is not told")
			}
			select {
			case <-ticks.C:
			case <-over:
				return
			}
		}
	}()
	return func() { ticks.Stop(); close(over) }
}

// allAnswer tells whether all loops run what is posted to them within a time.
func allAnswer(loops []*loop.Loop, within time.Duration) bool {
	answers := make(chan struct{}, len(loops))
	late := time.NewTimer(within)
	defer late.Stop()
	for _, l := range loops {
		if !l.Post(func() { answers <- struct{}{} }) {
			return false // it has ended
		}
	}
	for range loops {
		select {
		case <-answers:
		case <-late.C:
			return false
		}
	}
	return true
}
