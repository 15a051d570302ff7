package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/internal/system/handover"
	"github.com/asteri/asteri-loop/server"
)

// surroundings are where the program finds itself, and the process in whose place it is to
// come: nil for none.
func surroundings(args []string) (in config.Input, before *handover.Predecessor, err error) {
	if before, err = handover.Find(); err != nil {
		return in, nil, err
	}
	descriptors.KeepFromChildren()
	dir, err := os.Getwd()
	return config.Input{Args: args, Environ: os.Environ(), Dir: dir}, before, err
}

// inherit receives what the process has to give in whose place this one is to come.
func (p *program) inherit() error {
	if p.before == nil {
		return nil
	}
	o, err := p.before.Offer()
	if err != nil {
		return err
	}
	p.inherited = new(server.Inheritance)
	for _, s := range o.Sockets {
		p.inherited.Sockets = append(p.inherited.Sockets, server.Socket{Use: server.Use(s.Use), Addr: s.Addr, FDs: s.FDs})
	}
	var s state
	if err := json.Unmarshal(o.State, &s); err != nil {
		return err
	}
	p.inherited.Secret, p.inherited.Generation = s.Keys, s.Generation
	if p.token == "" && !p.cfg.Server.Status.Off {
		p.token, p.ownToken = s.Token, s.Token != ""
	}
	p.listening = s.Listening
	return nil
}

// takeOver waits for this process's turn, now that it could serve, and takes it.
func (p *program) takeOver(ctx context.Context) error {
	if p.before == nil {
		return nil
	}
	var used []handover.Socket
	for _, s := range p.server.Used() {
		used = append(used, handover.Socket{Use: string(s.Use), Addr: s.Addr})
	}
	if err := p.before.Ready(used); err != nil {
		p.logs.Warn("The process in whose place this one comes does not listen: " + err.Error())
	}
	totals, err := p.before.AwaitTurn(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // told to stop
	}
	if err == nil {
		p.server.InheritTotals(totals)
	} else {
		p.logs.Warn("The process in whose place this one comes has ended: its sockets are here, what it has counted is lost")
	}
	if err := p.server.Take(ctx); err != nil {
		return err
	}
	if err == nil {
		err = p.before.Taken(func(totals []byte) []byte {
			p.server.InheritTotals(totals)
			return p.server.Totals()
		})
	}
	if err == nil {
		p.logs.Info("Took over", "predecessor", p.before.PID())
	}
	p.mainProcess(os.Getpid())
	return nil
}
