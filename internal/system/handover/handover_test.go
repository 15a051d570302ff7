package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// role is what a process that a test has started is to do.
const role = "HANDOVER_TEST_ROLE"

func TestMain(m *testing.M) {
	if as := os.Getenv(role); as != "" {
		os.Exit(successor(as))
	}
	os.Exit(m.Run())
}

// successor is the new process. What fails shows in its exit status.
func successor(as string) int {
	if as == "mute" {
		println("nothing to say")
		return 5
	}
	p, err := Find()
	if err != nil || os.Getenv(Variable) != "" {
		return 10
	}
	o, err := p.Offer()
	if err != nil {
		return 11
	}
	for _, s := range o.Sockets {
		for _, fd := range s.FDs {
			if _, err := unix.Write(fd, []byte(s.Addr)); err != nil {
				return 12
			}
		}
	}
	switch as {
	case "fails":
		p.Failed("there is no module named shop")
		return 3
	case "hangs":
		time.Sleep(time.Minute)
	}
	if err := p.Ready(o.Sockets[:1]); err != nil {
		return 13
	}
	totals, err := p.AwaitTurn(context.Background())
	if err != nil {
		return 14
	}
	heard := totals
	err = p.Taken(func(totals []byte) []byte {
		heard = totals
		return append([]byte("both: "), heard...)
	})
	if err != nil || as == "dies" {
		return 15
	}
	for p.Draining() {
		time.Sleep(time.Millisecond)
	}
	if string(heard) != "last" {
		return 16
	}
	return 0
}

// begin starts a successor in a role, and offers it n sockets, each with as many
// descriptors as a message takes and one more.
func begin(t *testing.T, as string, n int) (*Successor, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t.Cleanup(func() { r.Close() })
	o := Offer{State: json.RawMessage(`{}`)}
	for i := range n {
		s := Socket{Use: "test", Addr: string(rune('a' + i))}
		for range batch + 1 {
			s.FDs = append(s.FDs, int(w.Fd()))
		}
		o.Sockets = append(o.Sockets, s)
	}
	s, err := Start(Command{Path: os.Args[0], Env: append(os.Environ(), role+"="+as), Dir: "."}, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestHandover(t *testing.T) {
	s, written := begin(t, "serves", 2)
	used, err := s.AwaitReady(within(t, time.Minute))
	if err != nil || len(used) != 1 || used[0].Addr != "a" {
		t.Fatalf("%v, %v", used, err)
	}
	if err := s.TakeOver([]byte("first")); err != nil {
		t.Fatal(err)
	}
	if both, err := s.Ask([]byte("asked"), time.Minute); err != nil || string(both) != "both: asked" {
		t.Errorf("%q, %v", both, err)
	}
	large := bytes.Repeat([]byte("x"), 1<<20)
	if both, err := s.Ask(large, time.Minute); err != nil || len(both) != len(large)+len("both: ") {
		t.Errorf("%d bytes, %v", len(both), err)
	}
	if err := s.Totals([]byte("last")); err != nil {
		t.Error(err)
	}
	s.Release()
	<-s.Exited()
	if s.exitErr != nil {
		t.Errorf("the new process: %v", s.exitErr)
	}
	got, err := io.ReadAll(written) // to its end: nobody has the descriptors any more
	if want := strings.Repeat("a", batch+1) + strings.Repeat("b", batch+1); err != nil || string(got) != want {
		t.Errorf("written by the descriptors: %q, %v", got, err)
	}
}

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		as, why string
		patient time.Duration
	}{
		{"mute", `the new program has ended before it said hello: exit status 5 (its last words: "nothing to say")`, time.Minute},
		{"fails", "there is no module named shop (exit status 3)", time.Minute},
		{"hangs", "the new process was not ready in time", 2 * time.Second},
	} {
		s, _ := begin(t, test.as, 1)
		_, err := s.AwaitReady(within(t, test.patient))
		if f := new(Failure); !errors.As(err, &f) || f.Why != test.why {
			t.Errorf("%s: %v", test.as, err)
		}
		if err := s.End(); err != nil {
			t.Errorf("%s: %v", test.as, err)
		}
		<-s.Exited()
	}
	if _, err := Start(Command{Path: "./nowhere", Dir: "."}, Offer{}); !errors.As(err, new(*Failure)) {
		t.Error(err)
	}
}

func TestDeathAfterTaking(t *testing.T) {
	s, _ := begin(t, "dies", 1)
	if _, err := s.AwaitReady(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.TakeOver(nil); err != nil {
		t.Fatal(err)
	}
	<-s.Exited()
	if why := s.Death().Error(); why != "the new process has died: exit status 15" {
		t.Error(why)
	}
	if _, err := s.Ask(nil, time.Minute); err == nil {
		t.Error("one that is dead answers")
	}
	_ = s.End()
}

// TestRubbish: what another program may send ends the talk, and takes no memory.
func TestRubbish(t *testing.T) {
	for _, sent := range []string{"hello, world", "\x00\x00\x00\x00\x00", "\x01\xff\xff\xff\xff", "\xff\x00\x00\x00\x00"} {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := newTalk(os.NewFile(uintptr(ends[0]), "ours"))
		if err != nil {
			t.Fatal(err)
		}
		theirs := os.NewFile(uintptr(ends[1]), "theirs")
		if _, err := io.WriteString(theirs, sent); err != nil {
			t.Fatal(err)
		}
		if m, err := ours.receive(); !errors.Is(err, errProtocol) {
			t.Errorf("%q: %v, %v", sent, m, err)
		}
		theirs.Close()
		ours.Close()
	}
}

func TestLastLine(t *testing.T) {
	sink, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	l := &lastLine{to: sink}
	for _, part := range []string{"first\nsec", "ond", " line\n"} {
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.quoted(); got != ` (its last words: "second line")` {
		t.Error(got)
	}
	_, _ = l.Write(bytes.Repeat([]byte("x"), 2*maxLine))
	if len(l.line) != maxLine {
		t.Errorf("%d bytes are kept", len(l.line))
	}
}
