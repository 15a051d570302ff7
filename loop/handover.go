package loop

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/socketfile"
)

// One process takes the place of another with the same listening sockets: the first has the
// other one have Descriptors, of which that makes its own by Engine.Adopt. The queue
// of connections is the socket's, not a process's, so that none is lost as long as one of
// them has it open. At any time one of them accepts: the other one's engine is paused.

// Pause has all listeners accept nothing until Resume, those too that are opened
// meanwhile: connections wait in the system. It returns when no loop accepts any more; the
// error is that of ctx. Connections that are open are served on.
func (e *Engine) Pause(ctx context.Context) error {
	e.paused.Store(true)
	return e.repose(ctx)
}

// Resume undoes Pause. Unix sockets that were inherited are now the engine's: it removes
// their files when it closes them.
func (e *Engine) Resume(ctx context.Context) error {
	e.mu.Lock()
	for _, ln := range e.listeners {
		ln.keepFile()
	}
	e.mu.Unlock()
	e.paused.Store(false)
	return e.repose(ctx)
}

// repose has all acceptors heed what paused says.
func (e *Engine) repose(ctx context.Context) error {
	heeded := make(chan struct{}, len(e.loops))
	waiting := 0
	for _, l := range e.loops {
		if l.Post(func() { l.repose(); heeded <- struct{}{} }) {
			waiting++
		}
	}
	for range waiting {
		select {
		case <-heeded:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (l *Loop) repose() {
	for i := range l.registered {
		if a := l.registered[i].acceptor; a != nil {
			a.paused = l.engine.paused.Load()
			a.watch()
		}
	}
}

// Bequeath gives some listeners of an engine that is paused to another process for good:
// their end here leaves the queues and the files of Unix sockets alone. What waits at the
// others is accepted when the engine drains, as ever.
func (e *Engine) Bequeath(heirs ...*Listener) {
	e.bequeathed.Store(true)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ln := range e.listeners {
		if slices.Contains(heirs, ln) {
			ln.file = nil
			continue
		}
		for _, a := range ln.acceptors {
			a.loop.Post(func() { a.paused = false; a.watch() })
		}
	}
}

// Bequeathed tells whether another process accepts in the place of this one, so that nobody
// waits for this one's end. It may be called from any goroutine.
func (l *Loop) Bequeathed() bool { return l.engine.bequeathed.Load() }

// Descriptors returns those that listen, for another process to have duplicates of. They are
// the listener's, and open until the engine drains or is closed.
func (ln *Listener) Descriptors() []int {
	fds := make([]int, len(ln.acceptors))
	for i, a := range ln.acceptors {
		fds[i] = a.fd
	}
	return fds
}

// Adopt makes an address of descriptors that listen there already, since the process before
// this one has bound them: all of those that it had. They are the engine's from now on, also
// after an error. addr only says what they are, as in the settings; backlog is as in
// ListenConfig.
func (e *Engine) Adopt(addr string, backlog int, fds []int) (*Bound, error) {
	b := &Bound{fds: fds}
	if err := b.adopt(addr, cmp.Or(max(backlog, 0), defaultBacklog)); err != nil {
		closeAll(b.take())
		return nil, fmt.Errorf("take over %s: %w", addr, err)
	}
	// Where there are fewer than loops, they accept for all.
	b.shared = e.sharesListeners() || b.network == "unix" || len(fds) < len(e.loops)
	return b, nil
}

func (b *Bound) adopt(addr string, backlog int) error {
	network, _, err := splitAddr(addr)
	if err != nil {
		return err
	}
	for _, fd := range b.fds {
		// The settings may have another length now.
		if err := unix.Listen(fd, backlog); err != nil {
			return os.NewSyscallError("listen", err)
		}
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
	}
	b.name(b.fds[0])
	if at := localAddr(b.fds[0]); network == "tcp" && !at.Addr().IsUnspecified() {
		b.local = at
	}
	b.adopted = network == "unix"
	return nil
}

// keepFile makes the file of an inherited Unix socket this process's to remove.
func (ln *Listener) keepFile() {
	if ln.adopted {
		ln.adopted, ln.file = false, socketfile.Adopt(ln.path)
	}
}
