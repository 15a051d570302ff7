package workers

import "github.com/asteri/asteri-loop"

// Takeover gives the exchange itself to fn, which runs on its executor, must not
// block, and sees to it that the exchange is answered, now or later. The call
// answers nothing any more: ServeCall may return, and the worker is free for
// others. The error is fn's, or says that the client has gone and that fn does not
// run.
func (c *Call) Takeover(fn func(x asteri.Exchange) error) error {
	ran := false
	err := c.ask(func() error {
		ran = true
		return fn(c.x)
	})
	c.finished = c.finished || ran
	return err
}
