//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// CloseRemoves is false: the poller keeps a table of its own.
const CloseRemoves = false

// Poller is a kqueue. Tokens are kept in a table indexed by descriptor: the
// event's user data is a pointer to the garbage collector, which a token must
// not pretend to be. The zero value is not usable; see New.
type Poller struct {
	fd      int
	table   []registration
	raw     []unix.Kevent_t // what the kernel fills in Wait
	changes [2]unix.Kevent_t
	waker   waker
}

type registration struct {
	token Token
	want  Ready
	used  bool
}

// New opens a poller.
func New() (*Poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	p := &Poller{fd: fd}
	if err := p.waker.signal.open(fd); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return p, nil
}

// Add implements System.
func (p *Poller) Add(fd int, t Token, want Ready) error {
	if fd < 0 {
		return os.NewSyscallError("kevent", unix.EBADF)
	}
	if p.lookup(fd) != nil {
		return os.NewSyscallError("kevent", unix.EEXIST)
	}
	if fd >= len(p.table) {
		p.table = append(p.table, make([]registration, fd+1-len(p.table))...)
	}
	if err := p.change(fd, 0, want); err != nil {
		return err
	}
	p.table[fd] = registration{token: t, want: want, used: true}
	return nil
}

// Modify implements System.
func (p *Poller) Modify(fd int, t Token, want Ready) error {
	r := p.lookup(fd)
	if r == nil {
		return os.NewSyscallError("kevent", unix.ENOENT)
	}
	if err := p.change(fd, r.want, want); err != nil {
		return err
	}
	r.token, r.want = t, want
	return nil
}

// Remove implements System.
func (p *Poller) Remove(fd int) error {
	r := p.lookup(fd)
	if r == nil {
		return os.NewSyscallError("kevent", unix.ENOENT)
	}
	err := p.change(fd, r.want, 0)
	*r = registration{}
	return err
}

func (p *Poller) lookup(fd int) *registration {
	if fd < 0 || fd >= len(p.table) || !p.table[fd].used {
		return nil
	}
	return &p.table[fd]
}

// change brings the filters of fd from one wanted set to another.
func (p *Poller) change(fd int, from, to Ready) error {
	n := 0
	for _, f := range [...]struct {
		ready  Ready
		filter int
	}{{Readable, unix.EVFILT_READ}, {Writable, unix.EVFILT_WRITE}} {
		if (from^to)&f.ready == 0 {
			continue
		}
		flags := unix.EV_ADD
		if from&f.ready != 0 {
			flags = unix.EV_DELETE
		}
		unix.SetKevent(&p.changes[n], fd, f.filter, flags)
		n++
	}
	if n == 0 {
		return nil
	}
	_, err := unix.Kevent(p.fd, p.changes[:n], nil, nil)
	return os.NewSyscallError("kevent", err)
}

// Wait implements System.
func (p *Poller) Wait(dst []Event, max time.Duration) ([]Event, error) {
	dst = dst[:0]
	if cap(dst) == 0 {
		return dst, errNoRoom
	}
	if len(p.raw) < cap(dst) {
		p.raw = make([]unix.Kevent_t, cap(dst))
	}
	raw := p.raw[:cap(dst)]

	asleep := max != 0 && p.waker.sleep()
	if !asleep {
		max = 0
	}
	var timeout *unix.Timespec
	if max >= 0 {
		ts := unix.NsecToTimespec(min(max, longest).Nanoseconds())
		timeout = &ts
	}
	n, err := unix.Kevent(p.fd, nil, raw, timeout)
	if asleep {
		p.waker.rise()
	}
	if err != nil {
		if err == unix.EINTR {
			return dst, nil
		}
		return dst, os.NewSyscallError("kevent", err)
	}
	for i := range raw[:n] {
		ev := &raw[i]
		if p.waker.signal.take(ev) {
			continue
		}
		if r := p.lookup(int(ev.Ident)); r != nil {
			dst = append(dst, Event{Token: r.token, Ready: readiness(ev, r.want)})
		}
	}
	return dst, nil
}

// Wake implements System.
func (p *Poller) Wake() error { return p.waker.wake() }

// Awake implements System.
func (p *Poller) Awake() { p.waker.rise() }

// Close implements System.
func (p *Poller) Close() error { return closeWith(&p.fd, &p.waker) }

// readiness translates an event of one filter. The end of the read filter is
// the peer's half-close, the end of the write filter is that of both
// directions; the reason, if there is one, comes as the filter's flags.
func readiness(ev *unix.Kevent_t, want Ready) Ready {
	ended := ev.Flags&unix.EV_EOF != 0
	var r Ready
	if ev.Filter == unix.EVFILT_READ {
		r |= Readable
		if ended {
			r |= want & ReadHangup
		}
	} else {
		r |= Writable
		if ended {
			r |= Hangup
		}
	}
	if ev.Flags&unix.EV_ERROR != 0 || ended && ev.Fflags != 0 {
		r |= Error
	}
	return r
}
