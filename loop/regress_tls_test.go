package loop_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"testing"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// serveTLS listens for TLS and returns a way to connect.
func serveTLS(t *testing.T, e *loop.Engine, write func(s *script)) (connect func() *tls.Conn) {
	t.Helper()
	server := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", TLS: func() *tls.Config { return server },
		Protocols: []loop.Protocol{scripted(write)}})
	return func() *tls.Conn { return tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true}) }
}

// As TestAnswerThenCloseArrivesWhole; the end has to be TLS's own, which a
// truncation by somebody in between would lack.
func TestAnswerThenCloseArrivesWholeOverTLS(t *testing.T) {
	leakcheck.Check(t)
	want := pattern(8 << 20)
	for _, linger := range []bool{false, true} {
		e := start(t, loop.Config{Loops: 1})
		connect := serveTLS(t, e, func(s *script) {
			s.onData = func(s *script, in []byte) (int, error) {
				s.Write(want)
				s.CloseWhenFlushed(linger)
				return len(in), nil
			}
		})
		c := connect()
		send(t, c, "?")
		got, err := io.ReadAll(slow{c})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes of %d, error %v", len(got), len(want), err)
		}
		must(t, c.Close())
	}
}

func TestFailuresAreConfinedOverTLS(t *testing.T) {
	for how, fail := range failures {
		for call, write := range map[string]func(s *script){
			"NewSession": func(*script) { fail() },
			"OnData":     func(s *script) { s.onData = func(*script, []byte) (int, error) { fail(); return 0, nil } },
		} {
			t.Run(call+"/"+how, func(t *testing.T) {
				leakcheck.Check(t)
				e := start(t, loop.Config{Loops: 1})
				bad, good := serveTLS(t, e, write), serveTLS(t, e, func(*script) {})
				bystander := good()
				ping(t, bystander)
				// With TLS 1.3 the client has ended its handshake first, and
				// may see the failure in any of its calls.
				victim := bad()
				_, _ = io.WriteString(victim, "?")
				expectEnd(t, victim)
				ping(t, bystander)
				ping(t, good())
				waitFor(t, "the failure is counted", func() bool { return e.Stats().Loops[0].Panics == 1 })
			})
		}
	}
}
