package loop

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

func TestShortConnectionsStayWhereTheyCome(t *testing.T) {
	var l lasting
	if l.mostlyShort() {
		t.Error("before any has closed")
	}
	for range 40 {
		l.closed(time.Millisecond)
	}
	if !l.mostlyShort() || l > shortest {
		t.Errorf("after forty short ones: %d", l)
	}
	for range 40 {
		l.closed(time.Minute)
	}
	if l.mostlyShort() {
		t.Errorf("after forty long ones: %d", l)
	}
}

func TestAcceptPace(t *testing.T) {
	var p acceptPace
	for i, want := range []int{1, 2, 4, 8, 16, 32, 64, 64} {
		if got := p.next(uint64(100 + i)); got != want || p.queued() != (want > 1) {
			t.Errorf("tick %d: %d", i, got)
		}
	}
	p.short()
	if got := p.next(108); got != 1 {
		t.Errorf("after a try in vain: %d", got)
	}
	p.next(109)
	if got := p.next(111); got != 1 {
		t.Errorf("after a tick without connections: %d", got)
	}
}

// hasty answers the first bytes and closes.
type hasty struct {
	conn *conn
	done chan<- bool // whether the poller ever knew of the connection
}

func (h hasty) OnData(in []byte) (int, error) {
	h.conn.Write(in)
	h.conn.CloseWhenFlushed(false)
	return len(in), nil
}
func (hasty) OnEOF()          {}
func (hasty) OnDrain()        {}
func (hasty) OnTimer(Timer)   {}
func (hasty) OnShutdown()     {}
func (h hasty) OnClose(error) { h.done <- h.conn.watched }

type hastyProtocol struct{ done chan<- bool }

func (hastyProtocol) Name() string                 { return "hasty" }
func (hastyProtocol) Match(string, []byte) Verdict { return Yes }
func (p hastyProtocol) NewSession(c Conn) Session  { return hasty{c.(*conn), p.done} }

func TestEarlyBytesNeedNoPoller(t *testing.T) {
	for _, early := range []bool{true, false} {
		e, err := New(Config{Loops: 1})
		if err != nil {
			t.Fatal(err)
		}
		e.Start()
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(pair[1], []byte("early")); err != nil {
			t.Fatal(err)
		}
		done := make(chan bool, 1)
		ln := &Listener{cfg: ListenConfig{Protocols: []Protocol{hastyProtocol{done}}}, socket: socket{network: "unix"}}
		l := e.loops[0]
		l.Post(func() {
			e.open.Add(1)
			descriptors.Connected(1)
			l.stats.connections.Add(1)
			l.open(pair[0], ln, ConnInfo{Network: "unix"}, early)
		})
		if watched := <-done; watched == early {
			t.Errorf("early %v: the poller knew of the connection: %v", early, watched)
		}
		var answer [16]byte
		if n, err := unix.Read(pair[1], answer[:]); string(answer[:max(n, 0)]) != "early" {
			t.Errorf("early %v: answer %q, %v", early, answer[:max(n, 0)], err)
		}
		unix.Close(pair[1])
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
