package loop

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/poller"
)

// acceptor is one listening descriptor on one loop.
type acceptor struct {
	loop     *Loop
	listener *Listener
	fd       int
	token    poller.Token
	resting  bool
	paused   bool      // the queue is for another process: see Engine.Pause
	warned   time.Time // when the log was last told of a rest
	removed  bool
	pace     acceptPace
	from     unix.RawSockaddrAny // of the connection being accepted
}

// addAcceptor registers a listening descriptor, or closes it; loop goroutine only.
func (l *Loop) addAcceptor(a *acceptor) error {
	a.token = l.addSlot(nil, a)
	a.paused = l.engine.paused.Load()
	if err := l.poll.Add(a.fd, a.token, a.interest()); err != nil {
		a.removed = true
		l.dropSlot(a.token)
		closeFD(a.fd)
		return err
	}
	return nil
}

// remove takes what the system has accepted already, so that nobody who was let
// in is turned away, and closes the descriptor, also if a session ends the goroutine.
func (a *acceptor) remove() {
	if a.removed {
		return
	}
	defer func() {
		a.removed = true
		_ = a.loop.poll.Remove(a.fd)
		a.loop.dropSlot(a.token)
		closeFD(a.fd)
	}()
	for !a.loop.stopped && a.accept() {
	}
}

// accept takes a bounded number of connections and tells whether there may be
// more; the poller reports them again.
func (a *acceptor) accept() (more bool) {
	if a.removed || a.resting || a.paused {
		return false
	}
	for range a.pace.next(a.loop.stats.ticks.Load()) {
		if !a.listener.cfg.Reserved && !descriptors.Room() {
			a.loop.engine.makeRoom()
			a.rest(unix.EMFILE)
			return false
		}
		fd, errno := sysAccept(a.fd, &a.from)
		switch errno {
		case 0:
			a.place(fd)
		case unix.EAGAIN:
			a.pace.short()
			return false
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			a.rest(errno)
			return false
		default:
			// An error of the connection that was to be accepted, which
			// is gone (accept(2)); the next one may be well.
			a.loop.log.Debug("accept failed", "error", errno)
		}
	}
	return true
}

// acceptPace is how many connections to try for at a time. A try in vain costs
// nearly as much as one that succeeds, and the poller tells of more for nothing:
// so it is one, and twice as many in each tick in a row that finds all it tries
// for.
type acceptPace struct {
	batch int
	tick  uint64 // of the last tries
}

// next returns how many to try for in a tick.
func (p *acceptPace) next(tick uint64) int {
	if tick-p.tick > 1 {
		p.batch = 0
	}
	p.tick = tick
	p.batch = min(max(2*p.batch, 1), acceptBatch)
	return p.batch
}

// short notes that there were fewer.
func (p *acceptPace) short() { p.batch = 0 }

// queued tells whether connections have been waiting in the system.
func (p *acceptPace) queued() bool { return p.batch > 1 }

// rest stops accepting for a moment when the system has run out of descriptors
// or memory, or clients have as many of these as they may: connections wait in the
// backlog, those that are open are served.
func (a *acceptor) rest(errno unix.Errno) {
	a.resting = true
	if a.loop.now.Sub(a.warned) > acceptWarning {
		a.warned = a.loop.now
		a.loop.log.Warn("cannot accept connections for now", "listener", a.listener.addr, "error", errno)
	}
	a.watch()
	time.AfterFunc(acceptPause, func() {
		a.loop.Post(func() {
			a.resting = false
			a.watch()
		})
	})
}

// watch has the poller tell of connections if they are to be accepted now.
func (a *acceptor) watch() {
	if !a.removed {
		_ = a.loop.poll.Modify(a.fd, a.token, a.interest())
	}
}

func (a *acceptor) interest() poller.Ready {
	if a.resting || a.paused {
		return 0
	}
	return poller.Readable
}

// place gives an accepted descriptor to the loop that shall own it. What the
// configuration has it ask may fail: that costs this connection, which nobody owns yet.
func (a *acceptor) place(fd int) {
	defer a.loop.recoverTick()
	e := a.loop.engine
	if !e.enter() {
		closeFD(fd)
		return
	}
	placed := false
	defer func() {
		if !placed {
			e.open.Add(-1)
			closeFD(fd)
		}
	}()
	info := ConnInfo{Network: a.listener.network, SocketPath: a.listener.path, Accepted: a.loop.now}
	if info.Network == "tcp" {
		acceptedNoDelay(fd)
		info.Remote = addrPort(&a.from)
		if info.local = a.listener.local; !info.local.IsValid() {
			info.local = localAddr(fd)
		}
	}
	if !a.listener.isProxy(info.Remote.Addr()) { // whose client is known only by its header
		var ok bool
		if info.counted, ok = e.clients.enter(info.Remote.Addr()); !ok {
			e.refused.add(refusedAddress)
			return
		}
	}
	placed = true
	descriptors.Connected(1)
	l := a.choose()
	// Counted before it arrives there, so that a burst spreads.
	l.stats.connections.Add(1)
	l.stats.accepted.Add(1)
	if l == a.loop {
		a.loop.open(fd, a.listener, info, a.pace.queued())
		return
	}
	if !l.Post(func() { l.open(fd, a.listener, info, false) }) {
		closeFD(fd) // the loop has ended, and nobody waits for its counts
		descriptors.Connected(-1)
	}
}

// choose returns the loop for a new connection. Where the system spreads
// connections over a listener for each loop, a loop keeps its own unless it has
// a quarter more than the mean: with few connections the system's hash is uneven.
// Connections that do not last are not worth moving.
func (a *acceptor) choose() *Loop {
	e := a.loop.engine
	if a.listener.shared {
		return e.leastLoaded()
	}
	if a.loop.lasting.mostlyShort() {
		return a.loop
	}
	mine := a.loop.stats.connections.Load()
	if n := int64(len(e.loops)); 4*n*(mine+1) > 5*(e.open.Load()+n) {
		return e.leastLoaded()
	}
	return a.loop
}

// lasting is what a loop has seen of late of how long connections stay: a moving
// average over about the last sixteen, 0 (all long) to shortest (all short).
type lasting uint32

const (
	shortest = 1 << 16
	// shortLived is what moving a connection to another loop does not pay
	// for.
	shortLived = time.Second
)

func (l *lasting) closed(after time.Duration) {
	*l -= *l / 16
	if after < shortLived {
		*l += shortest / 16
	}
}

func (l lasting) mostlyShort() bool { return l > shortest/2 }

// open makes a connection of an accepted descriptor. early says that its first
// bytes are probably there, so that it pays to look before asking the poller.
func (l *Loop) open(fd int, ln *Listener, info ConnInfo, early bool) {
	c := l.attach(fd, accepted, info)
	l.current = c
	ln.greet(c)
	c.watchIdle()
	c.joinDrain()
	if early && c.state == stateOpen {
		c.receive()
	}
	c.updateInterest()
	l.current = nil
}

// Adopt makes a connected stream socket a connection of this loop, with the
// session that start returns, which must not be nil. The loop owns fd from now on, also
// when Adopt fails: with ErrStopped, a *MisuseError if start is nil, or what the system
// says. Adopted sockets are not counted, drained, timed or bounded in their output as
// clients are: they live until their session closes them, or the engine stops. Adopt may
// be called from any goroutine; start runs on the loop, once the engine runs. A socket
// that cannot be watched then is closed, which the session hears as of any other end.
func (l *Loop) Adopt(fd int, start func(Conn) Session) error {
	if start == nil {
		closeFD(fd)
		return &MisuseError{"Loop.Adopt", "the function that starts the session must not be nil"}
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		closeFD(fd)
		return err
	}
	ok := l.Post(func() {
		c := l.attach(fd, adopted, ConnInfo{Network: "link", Accepted: l.now})
		l.current = c
		if c.session = start(c); c.session == nil {
			misused("Loop.Adopt", "the function that starts the session must not return nil")
		}
		c.updateInterest()
	})
	if !ok {
		closeFD(fd)
		return ErrStopped
	}
	return nil
}
