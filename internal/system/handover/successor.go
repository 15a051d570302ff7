package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Command is the program to start.
type Command struct {
	// Path is looked up as a shell does, in Dir.
	Path      string
	Args, Env []string
	Dir       string
}

// Successor is the process that is to come in the place of this one.
type Successor struct {
	cmd   *exec.Cmd
	conn  talk
	write sync.Mutex // held while something is sent
	said  *lastLine  // on standard error, before it said hello

	spoke    bool // it has said hello
	answers  chan message
	exited   chan struct{} // closed when the process has ended,
	exitErr  error         // as this says
	lastWord string        // what it has said of its failure
	asking   sync.Mutex    // held by who waits for an answer
}

// Failure is why a successor has not taken over.
type Failure struct{ Why string }

// Error says why, in a line.
func (f *Failure) Error() string { return f.Why }

// Start starts a successor, and offers it what there is. Close is to follow.
func Start(c Command, o Offer) (*Successor, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range ends {
		unix.CloseOnExec(fd)
	}
	theirs := os.NewFile(uintptr(ends[1]), "successor")
	defer theirs.Close()
	ours, err := newTalk(os.NewFile(uintptr(ends[0]), "successor"))
	if err != nil {
		return nil, err
	}
	s := &Successor{conn: ours, said: &lastLine{to: os.Stderr}, answers: make(chan message, 1), exited: make(chan struct{})}
	if s.cmd, err = c.command(theirs, s.said); err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(&Failure{"the new program cannot be started: " + err.Error()}, ours.Close())
	}
	go func() {
		s.exitErr = s.cmd.Wait()
		close(s.exited)
	}()
	if err := s.offer(o); err != nil {
		return nil, errors.Join(err, s.End())
	}
	return s, nil
}

func (c *Command) command(socket *os.File, stderr *lastLine) (*exec.Cmd, error) {
	path := c.Path
	if !strings.Contains(path, "/") {
		found, err := exec.LookPath(path)
		if err != nil {
			return nil, err
		}
		path = found
	}
	return &exec.Cmd{
		Path: path, Args: append([]string{c.Path}, c.Args...), Dir: c.Dir,
		Env:   append(c.Env[:len(c.Env):len(c.Env)], Variable+"="+strconv.Itoa(socketFD)),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: stderr, ExtraFiles: []*os.File{socket, os.Stderr},
		WaitDelay: time.Second, // for the pipe of standard error, which its children may have
	}, nil
}

// PID is the process id.
func (s *Successor) PID() int { return s.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (s *Successor) Exited() <-chan struct{} { return s.exited }

func (s *Successor) send(m message) error {
	s.write.Lock()
	defer s.write.Unlock()
	return s.conn.send(m)
}

// offer sends what there is. What cannot be sent, since the other end is gone or does not
// read, shows when that is to be ready.
func (s *Successor) offer(o Offer) error {
	var fds []int
	for i := range o.Sockets {
		o.Sockets[i].Count = len(o.Sockets[i].FDs)
		fds = append(fds, o.Sockets[i].FDs...)
	}
	if len(fds) > maxDescriptors {
		return &Failure{fmt.Sprintf("the server listens with %d descriptors, and %d can be handed over", len(fds), maxDescriptors)}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	err = s.send(message{kind: offer, data: text})
	for len(fds) > 0 && err == nil {
		n := min(len(fds), batch)
		err = s.send(message{kind: descriptors, fds: fds[:n]})
		fds = fds[n:]
	}
	return nil
}

// AwaitReady waits until the successor could serve, and returns which sockets it has use
// for. The error is a *Failure, or that of ctx.
func (s *Successor) AwaitReady(ctx context.Context) (used []Socket, err error) {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Now()) })
	defer stop()
	for {
		m, err := s.conn.receive()
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		switch m.kind {
		case hello:
			s.spoke = true
		case failed:
			s.lastWord = string(m.data)
		case ready:
			return used, json.Unmarshal(m.data, &used)
		default:
			return nil, errors.Join(&Failure{errProtocol.Error()}, closeAll(m.fds))
		}
	}
}

// failure says why nothing more comes of a successor.
func (s *Successor) failure(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		if !s.spoke {
			return &Failure{"the new program has not said hello in time: is it this server?" + s.said.quoted()}
		}
		return &Failure{"the new process was not ready in time"}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errProtocol) {
		return &Failure{"the new program is another one: " + err.Error()}
	}
	select { // its end of the socket is closed: mostly since it has ended
	case <-s.exited:
	case <-time.After(patience):
		return &Failure{"the new program has closed its socket and goes on: is it this server?" + s.said.quoted()}
	}
	return &Failure{s.end()}
}

// Death says how a successor that has exited ended.
func (s *Successor) Death() error { return &Failure{s.end()} }

// end says how a successor that has exited ended.
func (s *Successor) end() string {
	how := "exit status 0"
	if s.exitErr != nil {
		how = s.exitErr.Error()
	}
	switch {
	case s.lastWord != "":
		return fmt.Sprintf("%s (%s)", s.lastWord, how)
	case s.spoke:
		return "the new process has died: " + how
	}
	return "the new program has ended before it said hello: " + how + s.said.quoted()
}

// TakeOver tells the successor that it is its turn, with the totals until then, and
// returns when it serves. From now on it may be told Totals.
func (s *Successor) TakeOver(sums []byte) error {
	err := s.conn.SetReadDeadline(time.Time{})
	if err == nil {
		err = s.send(message{kind: take, data: sums})
	}
	if err == nil {
		_, err = s.conn.expect(taken, patience)
	}
	if err == nil {
		err = s.conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return s.failure(ctx, err)
	}
	go s.receive()
	return nil
}

// receive takes answers until the successor has ended.
func (s *Successor) receive() {
	defer close(s.answers)
	for {
		m, err := s.conn.receive()
		if err != nil {
			return
		}
		if _ = closeAll(m.fds); m.kind != answer { // there are none
			continue
		}
		select {
		case s.answers <- m:
		default: // nobody waits for it any more
		}
	}
}

// Totals tells the successor what this process has counted by now.
func (s *Successor) Totals(sums []byte) error { return s.send(message{kind: totals, data: sums}) }

// Ask is Totals, and returns those of both.
func (s *Successor) Ask(sums []byte, within time.Duration) ([]byte, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	select {
	case <-s.answers: // of who has not waited for it
	default:
	}
	if err := s.send(message{kind: ask, data: sums}); err != nil {
		return nil, err
	}
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case m, ok := <-s.answers:
		if !ok {
			return nil, &Failure{"the new process has ended"}
		}
		return m.data, nil
	case <-late.C:
		return nil, os.ErrDeadlineExceeded
	}
}

// Release lets a successor that has taken over live on: this process ends.
func (s *Successor) Release() { _ = s.conn.Close() }

// End ends a successor that is not to take over, and returns why it had ended by itself
// if it had.
func (s *Successor) End() error {
	defer s.conn.Close()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = s.cmd.Process.Signal(sig) // fails if it has ended
		select {
		case <-s.exited:
			return nil
		case <-time.After(patience / 2):
		}
	}
	return &Failure{fmt.Sprintf("the new process %d does not end", s.PID())}
}

// lastLine passes what a program writes on, and keeps its last line.
type lastLine struct {
	to   *os.File
	mu   sync.Mutex
	line []byte // bounded
	full bool   // it has had its end
}

const maxLine = 300

// Write implements io.Writer.
func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	for _, b := range p {
		switch {
		case b == '\n':
			l.full = true
		case l.full:
			l.line, l.full = append(l.line[:0], b), false
		case len(l.line) < maxLine:
			l.line = append(l.line, b)
		}
	}
	l.mu.Unlock()
	return l.to.Write(p)
}

// quoted is the line, to be put behind a sentence.
func (l *lastLine) quoted() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line := bytes.TrimSpace(l.line); len(line) > 0 {
		return fmt.Sprintf(" (its last words: %q)", line)
	}
	return ""
}
