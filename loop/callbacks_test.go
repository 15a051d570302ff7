package loop_test

// What is not a session may fail too: functions of the configuration, files, holders.
// That costs a connection at most, and no descriptor.

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// failingFile is a file that fails at some calls.
type failingFile struct {
	*os.File
	fd, read, end func()
}

func (f failingFile) Fd() uintptr {
	if f.fd != nil {
		f.fd()
	}
	if f.read != nil {
		return math.MaxInt32 // so that the system does not help
	}
	return f.File.Fd()
}

func (f failingFile) ReadAt(p []byte, off int64) (int, error) {
	if f.read != nil {
		f.read()
	}
	return f.File.ReadAt(p, off)
}

func (f failingFile) Close() error {
	err := f.File.Close()
	if f.end != nil {
		f.end()
	}
	return err
}

// once is fail for the first call only.
func once(fail func()) func() {
	var called atomic.Bool
	return func() {
		if !called.Swap(true) {
			fail()
		}
	}
}

// dialRefusing dials a server that may reset the connection as fast as it comes: then it
// returns nil.
func dialRefusing(t *testing.T, a net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(a.Network(), a.String())
	if err != nil {
		return nil
	}
	must(t, c.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { c.Close() })
	return c
}

// connectAll opens n connections one after the other, which the server may refuse, and
// sees each of them end.
func connectAll(t *testing.T, a net.Addr, n int) {
	t.Helper()
	for range n {
		if c := dialRefusing(t, a); c != nil {
			_, _ = io.WriteString(c, "?")
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

// Who asks about addresses may fail for each of them.
func TestFailureInTheConfiguration(t *testing.T) {
	const times = 20
	for how, fail := range failures {
		broken := func(netip.Addr) bool { fail(); return false }
		for what, cfg := range map[string]struct {
			loop.Config
			loop.ListenConfig
		}{
			"Exempt":  {loop.Config{MaxConnectionsPerAddress: times + 1, Exempt: broken}, loop.ListenConfig{}},
			"Proxies": {loop.Config{}, loop.ListenConfig{ProxyProtocol: loop.ProxyAny, Proxies: broken}},
			"TLS":     {loop.Config{}, loop.ListenConfig{TLS: func() *tls.Config { fail(); return nil }}},
		} {
			t.Run(what+"/"+how, func(t *testing.T) {
				leakcheck.Check(t)
				cfg.Loops = 2
				e := start(t, cfg.Config)
				cfg.Addr, cfg.Protocols = "127.0.0.1:0", []loop.Protocol{echo()}
				a := listen(t, e, cfg.ListenConfig)
				if what == "TLS" {
					for range times {
						c := dial(t, a)
						_, _ = io.WriteString(c, "\x16")
						expectEnd(t, c)
					}
				} else {
					connectAll(t, a, times)
				}
				expectEmpty(t, e)
				waitFor(t, "each failure is counted", func() bool { // after its connection has ended
					var panics uint64
					for _, l := range e.Stats().Loops {
						panics += l.Panics
					}
					return panics == times
				})
			})
		}
	}
}

// The backlog is taken at a stop, though each connection in it fails.
func TestFailureInTheBacklog(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1, MaxConnectionsPerAddress: 100, Exempt: func(netip.Addr) bool { fail(); return true }})
			a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()}})
			release := hold(t, e.Loops()[0])
			for range 10 {
				dial(t, a)
			}
			drained := make(chan error, 1)
			go func() { drained <- e.Drain() }()
			release()
			must(t, awaited(t, drained, "end of the drain"))
		})
	}
}

// A handshake whose callback fails is over.
func TestFailureInAHandshake(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1, MaxHandshakes: 8})
			a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()}, TLS: func() *tls.Config {
				return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { fail(); return nil, nil }}
			}})
			for range 20 { // more than may be unfinished
				c := tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true})
				if err := c.Handshake(); err == nil {
					t.Fatal("a handshake without a certificate succeeded")
				}
			}
			waitFor(t, "no handshake is counted", func() bool { return e.Stats().Handshakes == 0 })
			expectEmpty(t, e)
		})
	}
}

// A file that fails, in whichever call, costs its connection; all files are closed, those
// behind it too.
func TestFailureInAFile(t *testing.T) {
	const size = 3 << 20
	path := bigFile(t, size)
	cert := selfSigned(t)
	for how, fail := range failures {
		for what, file := range map[string]func(f *os.File) loop.File{
			"Fd":     func(f *os.File) loop.File { return failingFile{File: f, fd: fail} },
			"ReadAt": func(f *os.File) loop.File { return failingFile{File: f, read: fail} },
			"Close":  func(f *os.File) loop.File { return failingFile{File: f, end: once(fail)} },
		} {
			t.Run(what+"/"+how, func(t *testing.T) {
				leakcheck.Check(t)
				e := start(t, loop.Config{Loops: 1})
				closed := make(chan error, 1)
				a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0",
					Protocols: []loop.Protocol{scripted(func(s *script) {
						s.onClose = func(_ *script, cause error) { closed <- cause }
						s.onData = func(s *script, in []byte) (int, error) {
							for range 3 {
								s.SendFile(file(opened(t, path)), 0, size)
							}
							return len(in), nil
						}
					})}, TLS: func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }})
				c := tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true}) // files are read, not handed to the system
				send(t, c, "?")
				expectEnd(t, c)
				var failed *loop.PanicError
				if err := awaited(t, closed, "end of the session"); !errors.As(err, &failed) {
					t.Errorf("ended with %v", err)
				}
				expectEmpty(t, e)
			})
		}
	}
}

// Files that fail as they are dropped hold up neither the end of their connection nor each
// other.
func TestFailureAsFilesAreDropped(t *testing.T) {
	const size = 3 << 20
	path := bigFile(t, size)
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1})
			closed := make(chan error, 1)
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.onClose = func(_ *script, cause error) { closed <- cause }
				s.onData = func(s *script, in []byte) (int, error) {
					for range 3 {
						s.SendFile(failingFile{File: opened(t, path), end: fail}, 0, size)
					}
					s.Abort(io.ErrUnexpectedEOF)
					return len(in), nil
				}
			})
			c := dial(t, a)
			send(t, c, "?")
			if err := awaited(t, closed, "end of the session"); err != io.ErrUnexpectedEOF {
				t.Errorf("ended with %v", err)
			}
			expectEnd(t, c)
			expectEmpty(t, e)
		})
	}
}

// brokenHolder holds nothing that it could tell.
type brokenHolder struct{ fail func() }

func (h *brokenHolder) Held() int64 { h.fail(); return 0 }
func (h *brokenHolder) OnShed()     {}

// A holder that fails is not in the way of relief, and a session that fails when it is asked
// whether it is idle not in that of room for others.
func TestFailureInRelief(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			const budget = 8 << 20
			e := start(t, loop.Config{Loops: 1, BufferBudget: budget, OnPressure: func(bool, int64) { fail() }})
			l := e.Loops()[0]
			onLoop(t, l, func() { l.AddHolder(&brokenHolder{fail}) })
			closed := make(chan error, 100)
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.onData = func(s *script, in []byte) (int, error) { s.Reserve(budget); return len(in), nil }
				s.onClose = func(s *script, cause error) { s.Reserve(-budget); closed <- cause }
			})
			send(t, dial(t, a), "?")
			if err := awaited(t, closed, "relief"); err != loop.Shed {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// undecided is a session that fails when it is asked whether it is idle.
type undecided struct {
	*script
	fail func()
}

func (u undecided) Idle() bool { u.fail(); return true }
func (undecided) OnShed()      {}

func TestFailureAsRoomIsMade(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1, MaxConnections: 4})
			p := protocol{"undecided", func(c loop.Conn) loop.Session { return undecided{&script{Conn: c}, fail} }}
			a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{p}})
			for range 20 {
				c := dialRefusing(t, a) // each is lost when the next needs its place
				if c == nil {
					continue
				}
				_, _ = io.WriteString(c, "?")
				_, _ = io.ReadFull(c, make([]byte, 1))
			}
			waitFor(t, "room is made again and again", func() bool { return e.Stats().Loops[0].Panics >= 3 })
		})
	}
}

// brokenLog is an output that fails whenever it is told something.
type brokenLog struct{ fail func() }

func (brokenLog) Enabled(context.Context, slog.Level) bool    { return true }
func (b brokenLog) Handle(context.Context, slog.Record) error { b.fail(); return nil }
func (b brokenLog) WithAttrs([]slog.Attr) slog.Handler        { return b }
func (b brokenLog) WithGroup(string) slog.Handler             { return b }

// A log that fails as it is told of a failure does not end the server.
func TestFailureInTheLog(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1, Logger: slog.New(brokenLog{fail})})
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.onData = func(*script, []byte) (int, error) { panic("the session is broken") }
			})
			for range 3 {
				c := dial(t, a)
				send(t, c, "?")
				expectEnd(t, c)
			}
			ping(t, dial(t, serve(t, e, "127.0.0.1:0", func(*script) {})))
		})
	}
}
