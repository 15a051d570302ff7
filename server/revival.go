package server

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/asteri/asteri-loop/workers/python"
)

// Where there are several applications, one that cannot be started answers 503 while the
// others serve, and is tried again: after a while, longer each time, and by a reload. Its
// pool has stopped then, and answers for it; another pool takes its place when it is ready.

// The time between two tries, give or take a fifth: others may have failed at the same
// moment for the same reason.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// fail has an application answer 503, and tells whether it did not do so before.
func (a *pythonApp) fail(err error) bool {
	first := a.down.CompareAndSwap(nil, &err)
	if first {
		a.pool.Load().Kill() // so that nobody waits for it
	}
	return first
}

// isDown tells why an application could not be started, or returns nil.
func (a *pythonApp) isDown() error {
	if err := a.down.Load(); err != nil {
		return *err
	}
	return nil
}

// retry tries until the application serves, by itself or by a reload, or ctx is done.
func (a *pythonApp) retry(ctx context.Context) {
	for delay := firstRetry; ; delay = min(2*delay, lastRetry) {
		why := a.isDown()
		if why == nil {
			return
		}
		pause := time.Duration(float64(delay) * (0.8 + 0.4*rand.Float64()))
		a.log.Error("The application cannot be started, and answers 503: "+why.Error(), "next_try_in", pause.Round(time.Millisecond))
		next := time.NewTimer(pause)
		select {
		case <-next.C:
		case <-a.revived:
			next.Stop()
			return
		case <-ctx.Done():
			next.Stop()
			return
		}
		if a.revive(ctx, nil) == nil || ctx.Err() != nil {
			return
		}
	}
}

// revive starts an application that is down, with other settings unless they are nil.
func (a *pythonApp) revive(ctx context.Context, cfg *python.Config) error {
	a.reviving.Lock()
	defer a.reviving.Unlock()
	before := a.isDown()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case a.closed:
		return context.Canceled
	case before == nil && cfg != nil: // it serves since the caller has looked, by the settings before
		return a.replaceWorkers(ctx, *cfg)
	case before == nil:
		return nil
	}
	if cfg != nil {
		a.next = *cfg
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(a.server.ctx, cancel)
	defer stop()
	pool, err := python.Start(a.server.engine, a.next)
	if err != nil {
		return err
	}
	if _, err := pool.Ready(ctx); err != nil {
		pool.Kill()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err = bootFailure(err); err.Error() != before.Error() { // else the traceback is in the log
			logTraceback(a.log, err)
		}
		a.down.Store(&err)
		return err
	}
	a.pool.Store(pool)
	a.ready.Store(true)
	a.down.Store(nil)
	close(a.revived)
	a.log.Info("The application is there after all")
	return nil
}
