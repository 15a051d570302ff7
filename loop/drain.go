package loop

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

// drainState follows a loop through a graceful stop.
type drainState struct {
	draining bool
	done     []func() // to be called once no accepted connection is left
}

// drain tells every session to finish. done is called when the last accepted
// connection is closed. Sessions are told once, however often it is called.
func (l *Loop) drain(done func()) {
	l.drainState.done = append(l.drainState.done, done)
	if !l.drainState.draining {
		l.drainState.draining = true
		for i := range l.registered {
			if c := l.registered[i].conn; c != nil {
				c.joinDrain()
			}
		}
	}
	l.checkDrained()
}

// joinDrain has the session told if the server is draining.
func (c *conn) joinDrain() {
	if c.loop.drainState.draining && c.kind == accepted {
		c.drainTold = false
		c.loop.shutdowns.add(c)
	}
}

// shutdown passes the drain on to the session, behind what has arrived by now:
// that is begun. A handshake is finished first.
func (c *conn) shutdown() {
	if c.state == stateOpen && c.wantsInput() {
		c.receive()
	}
	if c.state != stateOpen || c.session == nil || c.drainTold {
		return
	}
	c.drainTold = true
	c.session.OnShutdown()
}

func (l *Loop) checkDrained() {
	if done := l.drainState.done; done != nil && l.stats.connections.Load() == 0 {
		l.drainState.done = nil
		for _, fn := range done {
			fn()
		}
	}
}

func (l *Loop) connectionClosed() {
	l.stats.connections.Add(-1)
	l.engine.open.Add(-1)
	descriptors.Connected(-1)
	l.checkDrained()
}

func (l *Loop) abortAccepted(cause error) {
	for i := range l.registered {
		if c := l.registered[i].conn; c != nil && c.kind == accepted {
			c.Abort(cause)
		}
	}
}

// teardown releases everything that the loop still holds.
func (l *Loop) teardown() {
	l.closeAll()
	l.awaitFileJobs()
	l.running, l.runningAt = append(l.running[l.runningAt:], l.mail.end()...), 0
	for l.runningAt < len(l.running) {
		l.confine(l.runPosts) // they may hold descriptors
	}
	l.closeAll() // what a post has just made a connection of
	l.chunks.settle()
	_ = l.poll.Close()
}

// closeAll ends all connections and listeners.
func (l *Loop) closeAll() {
	for i := range l.registered {
		switch s := l.registered[i]; {
		case s.conn != nil:
			s.conn.Abort(DrainExpired)
		case s.acceptor != nil:
			s.acceptor.remove()
		}
	}
	for !l.closing.empty() {
		l.confine(l.closeAborted)
	}
}

// confine runs a step of the end, which goes on though a session fails in it.
func (l *Loop) confine(step func()) {
	defer l.recoverTick()
	step()
}

// awaitFileJobs lets jobs of the file pool end before the descriptors that they
// use are closed. A disk that hangs is not waited for longer than this.
func (l *Loop) awaitFileJobs() {
	for deadline := time.Now().Add(2 * time.Second); l.fileJobs > 0 && time.Now().Before(deadline); {
		l.look(10 * time.Millisecond)
		l.confine(l.runPosts)
	}
}

// closeFD closes a descriptor that nothing else knows of.
func closeFD(fd int) { _ = unix.Close(fd) }
