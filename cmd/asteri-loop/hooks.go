package main

import (
	"sync/atomic"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/workers/python"
)

// hooks has the hooks of the server run that the gunicorn.conf.py of the settings in effect has. Without such a
// file there are none.
type hooks struct{ conf atomic.Pointer[python.Conf] }

// WorkerStarts is pre_fork. It is called by the pools, as the others are.
func (h *hooks) WorkerStarts(age int) { h.conf.Load().Call("pre_fork", age) }

// WorkerEnded is child_exit.
func (h *hooks) WorkerEnded(age, pid, status int) {
	h.conf.Load().Post("child_exit", age, pid, status)
}

// WorkersChanged is nworkers_changed.
func (h *hooks) WorkersChanged(now, before int) {
	h.conf.Load().Post("nworkers_changed", now, before)
}

// call runs a hook that takes the server alone, and waits for its end.
func (h *hooks) call(name string) { h.conf.Load().Call(name) }

// take has the hooks of other settings run from now on. Those of the ones before end when what was called has run.
func (p *program) takeHooks(cfg *config.Config) {
	cfg.Conf.Log(p.logs.Logger)
	cfg.Conf.Configure(cfg.GunicornSettings(), absolute(cfg.Python.Chdir), cfg.Python.Env)
	if before := p.hooks.conf.Swap(cfg.Conf); before != nil {
		go before.Close()
		return
	}
	cfg.Conf.Post("nworkers_changed", cfg.Python.Workers, nil)
}

// exitHooks runs on_exit, the last of all. A signal to stop ends the wait.
func (p *program) exitHooks() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.hooks.call("on_exit")
		p.hooks.conf.Load().Close()
	}()
	for {
		select {
		case <-done:
			return
		case sig := <-p.signals.c:
			if stops(sig) {
				return
			}
		}
	}
}
