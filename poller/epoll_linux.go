package poller

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CloseRemoves tells that closing the last duplicate of a descriptor ends its
// registration. A child process holds duplicates between fork and exec: events
// may still come for so long, with the old token.
const CloseRemoves = true

// Poller is an epoll instance. The token travels in the event's user data, so
// there is no table and no look-up. The zero value is not usable; see New.
type Poller struct {
	fd    int
	raw   []unix.EpollEvent // what the kernel fills in Wait
	waker waker
}

// New opens a poller.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	p := &Poller{fd: fd}
	if err := p.waker.signal.open(fd); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return p, nil
}

// Add implements System.
func (p *Poller) Add(fd int, t Token, want Ready) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, t, want)
}

// Modify implements System.
func (p *Poller) Modify(fd int, t Token, want Ready) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, t, want)
}

// Remove implements System.
func (p *Poller) Remove(fd int) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil))
}

func (p *Poller) control(op, fd int, t Token, want Ready) error {
	ev := epollEvent(t, interest(want))
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, &ev))
}

// Wait implements System.
func (p *Poller) Wait(dst []Event, max time.Duration) ([]Event, error) {
	dst = dst[:0]
	if cap(dst) == 0 {
		return dst, errNoRoom
	}
	if len(p.raw) < cap(dst) {
		p.raw = make([]unix.EpollEvent, cap(dst))
	}
	raw := p.raw[:cap(dst)]

	var n int
	var err error
	switch {
	case max == 0:
		n, err = look(p.fd, raw)
	case p.waker.sleep():
		n, err = unix.EpollWait(p.fd, raw, milliseconds(max))
		p.waker.rise()
	default: // woken
		n, err = look(p.fd, raw)
	}
	if err != nil {
		if err == unix.EINTR {
			return dst, nil
		}
		return dst, os.NewSyscallError("epoll_wait", err)
	}
	for i := range raw[:n] {
		if t := tokenOf(&raw[i]); t != signalToken {
			dst = append(dst, Event{Token: t, Ready: readiness(raw[i].Events)})
		}
	}
	return dst, nil
}

// look asks for events without waiting. The call cannot block, so the scheduler
// is not told of it: telling costs more than the call itself.
func look(epoll int, raw []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll),
		uintptr(unsafe.Pointer(&raw[0])), uintptr(len(raw)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Wake implements System.
func (p *Poller) Wake() error { return p.waker.wake() }

// Awake implements System.
func (p *Poller) Awake() { p.waker.rise() }

// Close implements System.
func (p *Poller) Close() error { return closeWith(&p.fd, &p.waker) }

// milliseconds rounds up, so that an owner who waits for a deadline finds it
// passed and does not ask again in a circle.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((min(d, longest) + time.Millisecond - 1) / time.Millisecond)
}

// epollEvent spreads t over the two halves of the event's user data.
func epollEvent(t Token, events uint32) unix.EpollEvent {
	return unix.EpollEvent{Events: events, Fd: int32(t.Slot()), Pad: int32(t.Generation())}
}

func tokenOf(ev *unix.EpollEvent) Token {
	return NewToken(uint32(ev.Fd), uint32(ev.Pad))
}

func interest(want Ready) uint32 {
	var events uint32
	if want&Readable != 0 {
		events |= unix.EPOLLIN
	}
	if want&Writable != 0 {
		events |= unix.EPOLLOUT
	}
	if want&ReadHangup != 0 {
		events |= unix.EPOLLRDHUP
	}
	return events
}

func readiness(events uint32) Ready {
	var r Ready
	if events&unix.EPOLLIN != 0 {
		r |= Readable
	}
	if events&unix.EPOLLOUT != 0 {
		r |= Writable
	}
	if events&unix.EPOLLHUP != 0 {
		r |= Hangup
	}
	if events&unix.EPOLLRDHUP != 0 {
		r |= ReadHangup
	}
	if events&unix.EPOLLERR != 0 {
		r |= Error
	}
	return r
}
