package loop_test

// Who breaks a rule of the package is told at once, which one it was: by a
// *loop.MisuseError. No loop stops or spins for it.

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// misuses are calls of a session that break a rule, and words of the rule.
var misuses = map[string]struct {
	call func(s *script, in []byte) (int, error)
	rule string
}{
	"consumed too much":  {func(_ *script, in []byte) (int, error) { return len(in) + 1, nil }, "OnData: returns how many bytes it has consumed, 0 to 1"},
	"consumed less":      {func(*script, []byte) (int, error) { return -1, nil }, "and not -1"},
	"timer":              {func(s *script, _ []byte) (int, error) { s.SetTimer(loop.NumTimers, time.Hour); return 0, nil }, "timers are 0 to 2"},
	"last timer":         {func(s *script, _ []byte) (int, error) { s.SetTimer(255, time.Hour); return 0, nil }, "none 255"},
	"no file":            {func(s *script, _ []byte) (int, error) { s.SendFile(nil, 0, 1); return 0, nil }, "file must not be nil"},
	"negative offset":    {func(s *script, _ []byte) (int, error) { s.SendFile(stubFile{}, -1, 1); return 0, nil }, "offset must not be negative"},
	"no session":         {func(s *script, _ []byte) (int, error) { s.Replace(nil); return 0, nil }, "session must not be nil"},
	"marks upside down":  {func(s *script, _ []byte) (int, error) { s.SetWaterMarks(1, 2); return 0, nil }, "0 < low <= high <"},
	"marks of nothing":   {func(s *script, _ []byte) (int, error) { s.SetWaterMarks(1, 0); return 0, nil }, "0 < low <= high <"},
	"function of a conn": {func(s *script, _ []byte) (int, error) { s.Post(nil); return 0, nil }, "Conn.Post"},
	"function of a loop": {func(s *script, _ []byte) (int, error) { s.Loop().Post(nil); return 0, nil }, "Loop.Post"},
	"holder":             {func(s *script, _ []byte) (int, error) { s.Loop().AddHolder(nil); return 0, nil }, "holder must not be nil"},
	"misread file": {func(s *script, in []byte) (int, error) {
		s.SendFile(stubFile{read: math.MaxInt}, 0, 1<<20)
		return len(in), nil
	}, "ReadAt: returns how many"},
	"misread file, other": {func(s *script, in []byte) (int, error) { s.SendFile(stubFile{read: -1}, 0, 1<<20); return len(in), nil }, "and not -1"},
}

// stubFile is no file of the system's.
type stubFile struct{ read int }

func (stubFile) Fd() uintptr                         { return math.MaxInt32 }
func (f stubFile) ReadAt([]byte, int64) (int, error) { return f.read, nil }
func (stubFile) Close() error                        { return nil }

func TestMisuseEndsTheConnection(t *testing.T) {
	for name, m := range misuses {
		t.Run(name, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1})
			closed := make(chan error, 1)
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.onData = m.call
				s.onClose = func(_ *script, cause error) { closed <- cause }
			})
			if strings.HasPrefix(name, "misread") { // what is encrypted is always read
				a = serveSecure(t, e, m.call, closed)
			}
			good := dial(t, serve(t, e, "127.0.0.1:0", func(*script) {}))
			c := dial(t, a)
			if strings.HasPrefix(name, "misread") {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			}
			send(t, c, "?")
			err := awaited(t, closed, "end of the session")
			var misuse *loop.MisuseError
			if !errors.As(err, &misuse) || !strings.Contains(misuse.Error(), m.rule) {
				t.Errorf("ended with %v", err)
			}
			expectEnd(t, c)
			ping(t, good)
			if n := e.Stats().Loops[0].Panics; n > 1 {
				t.Errorf("it was found %d times", n)
			}
			expectQuiet(t, e)
		})
	}
}

func serveSecure(t *testing.T, e *loop.Engine, onData func(*script, []byte) (int, error), closed chan error) net.Addr {
	cert := selfSigned(t)
	return listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{scripted(func(s *script) {
		s.onData = onData
		s.onClose = func(_ *script, cause error) { closed <- cause }
	})}, TLS: func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }})
}

// nothing is a protocol without sessions, or that does not know itself.
type nothing struct{ verdict loop.Verdict }

func (nothing) Name() string                        { return "nothing" }
func (n nothing) Match(string, []byte) loop.Verdict { return n.verdict }
func (nothing) NewSession(loop.Conn) loop.Session   { return nil }

// Mistakes of a listener's configuration that show with a connection cost that one.
func TestMisuseOfAListener(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	for name, cfg := range map[string]loop.ListenConfig{
		"no session":       {Protocols: []loop.Protocol{nothing{loop.Yes}}},
		"no verdict":       {Protocols: []loop.Protocol{nothing{7}}},
		"no configuration": {Protocols: []loop.Protocol{echo()}, TLS: func() *tls.Config { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Addr = "127.0.0.1:0"
			before := e.Stats().Loops[0].Panics
			if c := dialRefusing(t, listen(t, e, cfg)); c != nil {
				_, _ = io.WriteString(c, "\x16")
				expectEnd(t, c)
			}
			waitFor(t, "the mistake is counted", func() bool { return e.Stats().Loops[0].Panics == before+1 })
			waitFor(t, "the connection is gone", func() bool { return e.Stats().Loops[0].Connections == 0 })
		})
	}
}

// An engine refuses what cannot be meant.
func TestMisuseOfAnEngine(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(pair[1])
	_, noProtocol := e.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0"})
	_, plain := e.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()}, Plain: []loop.Protocol{echo()}})
	for what, err := range map[string]error{
		"a listener for nil":             e.Listen("127.0.0.1:0", nil),
		"one for something and nil":      e.Listen("127.0.0.1:0", echo(), nil),
		"one for nothing":                noProtocol,
		"one for plain without TLS":      plain,
		"a service that is nil":          e.Attach(nil),
		"a socket that is to be nobodys": e.Loops()[0].Adopt(pair[0], nil),
	} {
		var misuse *loop.MisuseError
		if !errors.As(err, &misuse) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A loop that waited for itself would wait for ever: Close, Drain and Run say so.
func TestEngineIsNotEndedByItsLoops(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 2})
	for name, call := range map[string]func(){
		"Engine.Close": func() { _ = e.Close() },
		"Engine.Drain": func() { _ = e.Drain() },
		"Engine.Run":   func() { _ = e.Run(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan any, 1)
			onLoop(t, e.Loops()[1], func() {
				defer func() { got <- recover() }()
				call()
			})
			misuse, ok := (<-got).(*loop.MisuseError)
			if !ok || misuse.Call != name {
				t.Errorf("it panicked with %v", misuse)
			}
		})
	}
	ping(t, dial(t, serve(t, e, "127.0.0.1:0", func(*script) {})))
}

// A timer of centuries does not run out at once.
func TestLongestTimer(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	fired := make(chan loop.Timer, 2)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.SetTimer(0, math.MaxInt64)
		s.SetTimer(1, 40*time.Millisecond)
		s.onTimer = func(_ *script, timer loop.Timer) { fired <- timer }
	})
	dial(t, a)
	if timer := awaited(t, fired, "timer"); timer != 1 {
		t.Errorf("timer %d ran out first", timer)
	}
}
