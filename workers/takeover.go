package workers

import (
	"sync/atomic"

	"github.com/asteri/asteri-loop"
)

// Takeover gives the exchange itself to fn, which runs on its executor, must not
// block, and sees to it that the exchange is answered, now or later. The call
// answers nothing any more: ServeCall may return, so that the worker is free for
// others, or go on without a limit of time. The exchange has the deadline of its
// protocol from then on (asteri.Timeouts.Handler). The error is fn's, or says that the
// client has gone and that fn does not run.
func (c *Call) Takeover(fn func(x asteri.Exchange) error) error {
	var ran atomic.Bool
	err := c.ask(func() error {
		ran.Store(true)
		c.x.SetTimeout(0) // it is the model's no more
		return fn(c.x)
	})
	if ran.Load() {
		c.finished = true
		c.guard.reached(complete)
	}
	return err
}
