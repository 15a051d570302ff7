//go:build unix

package python

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/files"
)

// process is a worker's operating system process and the front's ends of what
// connects the two.
type process struct {
	cmd     *exec.Cmd
	pid     int
	link    *os.File      // non-blocking
	control *os.File      // non-blocking
	output  []*os.File    // standard output and error; empty if it has those of this process
	exited  chan struct{} // closed when the process has been reaped
	exit    exitState     // valid once exited is closed
}

// socketBuffer is asked for in both directions of a socketpair. Some systems'
// default is too small for one batch.
const socketBuffer = 256 << 10

// startProcess runs a command with input as its standard input, pipes as standard
// output and error, unless it keeps those of this process, and the link and the control
// socket as descriptors 3 and 4. It leads a process group of its own, so that Ctrl-C in
// a terminal reaches the server only.
func startProcess(argv, env []string, input []byte, keepOutput bool) (*process, error) {
	var theirs, ours []*os.File
	defer func() { closeAll(theirs) }()
	for _, name := range []string{"link", "control"} {
		front, worker, err := socketpair(name)
		if err != nil {
			closeAll(ours)
			return nil, err
		}
		ours, theirs = append(ours, front), append(theirs, worker)
	}
	pipes := 2
	if keepOutput {
		pipes = 0
	}
	for range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours)
			return nil, err
		}
		ours, theirs = append(ours, r), append(theirs, w)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	cmd.Stdin = bytes.NewReader(input)
	cmd.WaitDelay = exitPatience // for input that a child of the process holds and does not read
	cmd.ExtraFiles = theirs[:2]
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if !keepOutput {
		cmd.Stdout, cmd.Stderr = theirs[2], theirs[3]
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		closeAll(ours)
		return nil, err
	}
	p := &process{
		cmd: cmd, pid: cmd.Process.Pid,
		link: ours[0], control: ours[1], output: ours[2:],
		exited: make(chan struct{}),
	}
	go p.reap()
	return p, nil
}

// reap waits for the end of the process. Only this tells it: the link's end
// does not, since a child of the worker may hold a copy of the link.
func (p *process) reap() {
	err := p.cmd.Wait()
	p.exit = exitState{state: p.cmd.ProcessState, err: err}
	close(p.exited)
}

// kill ends the process at once. A process that has ended already is not an
// error, and its number is not used after it was reaped.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

// exitState says how a process ended.
type exitState struct {
	state *os.ProcessState
	err   error
}

// String describes the end for the log.
func (e exitState) String() string {
	if e.state == nil {
		return fmt.Sprintf("lost: %v", e.err)
	}
	if sig, ok := e.signal(); ok {
		return fmt.Sprintf("killed by signal %d (%v)", sig, sig)
	}
	return fmt.Sprintf("exited with status %d", e.state.ExitCode())
}

// sentence is String for a sentence that begins with the process.
func (e exitState) sentence() string {
	if _, killed := e.signal(); killed || e.state == nil {
		return "was " + e.String()
	}
	return e.String()
}

func (e exitState) signal() (syscall.Signal, bool) {
	if e.state == nil {
		return 0, false
	}
	ws, ok := e.state.Sys().(syscall.WaitStatus)
	return ws.Signal(), ok && ws.Signaled()
}

// unixPair makes a connected pair of stream sockets, close-on-exec.
func unixPair() (fds [2]int, err error) {
	// Systems without SOCK_CLOEXEC need the lock that keeps a fork from
	// happening before CloseOnExec.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return fds, os.NewSyscallError("socketpair", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds, nil
}

// socketpair makes a pair for a link: the front's end is non-blocking.
func socketpair(name string) (front, worker *os.File, err error) {
	fds, err := unixPair()
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		// A smaller buffer works too, only slower.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" of the worker"), nil
}

// detach takes the descriptor out of f, for the loop to own.
func detach(f *os.File) (fd int, err error) {
	defer f.Close()
	return files.DuplicateFD(f)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
