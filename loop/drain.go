package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

// drainState follows a loop through a graceful stop.
type drainState struct {
	draining bool
	done     func() // to be called once no accepted connection is left
}

// drain tells every session to finish. done is called when the last accepted
// connection is closed.
func (l *Loop) drain(done func()) {
	l.drainState = drainState{draining: true, done: done}
	for i := range l.slots {
		if c := l.slots[i].conn; c != nil && c.kind == accepted {
			l.shutdowns.add(c)
		}
	}
	l.checkDrained()
}

// shutdown passes the drain on to the session. A connection without one, which
// has not said what it speaks, has nothing to finish.
func (c *conn) shutdown() {
	if c.state != stateOpen {
		return
	}
	if c.session == nil {
		c.close(Flushed)
		return
	}
	c.loop.current = c
	c.session.OnShutdown()
	c.loop.current = nil
}

func (l *Loop) checkDrained() {
	if d := l.drainState; d.done != nil && l.stats.connections.Load() == 0 {
		l.drainState.done = nil
		d.done()
	}
}

func (l *Loop) connectionClosed() {
	l.stats.connections.Add(-1)
	l.engine.open.Add(-1)
	l.checkDrained()
}

func (l *Loop) abortAccepted(cause error) {
	for i := range l.slots {
		if c := l.slots[i].conn; c != nil && c.kind == accepted {
			c.Abort(cause)
		}
	}
}

// teardown releases everything that the loop still holds.
func (l *Loop) teardown() {
	for i := range l.slots {
		switch s := l.slots[i]; {
		case s.conn != nil:
			s.conn.Abort(DrainExpired)
		case s.acceptor != nil:
			s.acceptor.remove()
		}
	}
	l.closeAborted()
	l.awaitFileJobs()
	for _, fn := range l.mail.end() {
		fn() // it may hold descriptors; connections are closed by now
	}
	l.closeAborted()
	l.chunks.settle()
	_ = l.poll.Close()
}

// awaitFileJobs lets jobs of the file pool end before the descriptors that they
// use are closed. A disk that hangs is not waited for longer than this.
func (l *Loop) awaitFileJobs() {
	for deadline := time.Now().Add(2 * time.Second); l.fileJobs > 0 && time.Now().Before(deadline); {
		l.look(10 * time.Millisecond)
		l.runPosts()
	}
}

// closeFD closes a descriptor that nothing else knows of.
func closeFD(fd int) { _ = unix.Close(fd) }
