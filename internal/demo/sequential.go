package demo

import (
	"io"
	"time"

	"github.com/asteri/asteri-loop/workers"
)

// sequential returns the demonstration as a handler that waits.
func sequential(r *routes) workers.Handler {
	return workers.HandlerFunc(func(c *workers.Call) {
		to := r.find(c.Request())
		if to.reply != nil {
			_ = c.Respond(to.reply.status, to.reply.header, to.reply.body)
			return
		}
		if to.action == socket {
			_ = c.Takeover(r.accept) // which has answered, whatever came of it
			return
		}
		if err := run(c, to); err != nil {
			c.Abort(err)
		}
	})
}

// run takes the action of a route. Its errors are the client's leaving, or
// mistakes of ours.
func run(c *workers.Call, to route) error {
	switch to.action {
	case echo:
		return runEcho(c)
	case send:
		return runSend(c, to.n)
	case sleep:
		if err := c.Sleep(time.Duration(to.n) * time.Millisecond); err != nil {
			return err
		}
		return c.Respond(slept.status, slept.header, slept.body)
	case stream:
		if err := c.Start(200, streamHeader); err != nil {
			return err
		}
		return runTicks(c, streamLines, streamPause, line)
	default:
		if err := c.Start(200, eventsHeader); err != nil {
			return err
		}
		return runTicks(c, maxEvents, eventPause, event)
	}
}

func runEcho(c *workers.Call) error {
	if err := c.Start(200, withLength(echoHeader, c.Request().ContentLength)); err != nil {
		return err
	}
	if _, err := io.Copy(c, c); err != nil {
		return err
	}
	return c.Finish(nil)
}

func runSend(c *workers.Call, n int64) error {
	if err := c.Start(200, withLength(bytesHeader, n)); err != nil {
		return err
	}
	for c.Request().Method != "HEAD" && n > 0 {
		sent, err := c.Write(block[:min(n, int64(len(block)))])
		if err != nil {
			return err
		}
		n -= int64(sent)
	}
	return c.Finish(nil)
}

// runTicks sends n pieces, with a pause before all but the first.
func runTicks(c *workers.Call, n int, pause time.Duration, piece func(i int) []byte) error {
	if c.Request().Method == "HEAD" {
		return c.Finish(nil)
	}
	for i := range n {
		if i > 0 {
			if err := c.Sleep(pause); err != nil {
				return err
			}
		}
		if _, err := c.Write(piece(i)); err != nil {
			return err
		}
	}
	return c.Finish(nil)
}
