//go:build unix

package process

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/asteri/asteri-loop/internal/system/scheduling"
)

// Process is a worker's operating system process and the front's ends of what
// connects the two.
type Process struct {
	PID     int
	Link    *os.File      // non-blocking
	Control *os.File      // non-blocking
	Output  []*os.File    // standard output and error; empty if it has those of this process
	Exited  chan struct{} // closed when the process has been reaped
	Exit    Exit          // valid once Exited is closed

	cmd *exec.Cmd
}

// ExitTimeout is how long a process may take to exit by itself once it has no
// reason to go on.
const ExitTimeout = time.Second

// Start runs a command with input as its standard input, pipes as standard
// output and error, unless it keeps those of this process, and the link and the control
// socket as descriptors 3 and 4. It leads a process group of its own, so that Ctrl-C in
// a terminal reaches the server only.
func Start(argv, env []string, input []byte, keepOutput bool) (*Process, error) {
	var theirs, ours []*os.File
	defer func() { closeAll(theirs) }()
	for _, name := range []string{"link", "control"} {
		front, worker, err := linkPair(name)
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
	cmd.WaitDelay = ExitTimeout // for input that a child of the process holds and does not read
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
	_ = scheduling.Spawned(cmd.Process.Pid) // without it the worker only waits for its turn more often
	p := &Process{
		cmd: cmd, PID: cmd.Process.Pid,
		Link: ours[0], Control: ours[1], Output: ours[2:],
		Exited: make(chan struct{}),
	}
	go p.reap()
	return p, nil
}

// reap waits for the end of the process. Only this tells it: the link's end
// does not, since a child of the worker may hold a copy of the link.
func (p *Process) reap() {
	err := p.cmd.Wait()
	p.Exit = Exit{state: p.cmd.ProcessState, err: err}
	close(p.Exited)
}

// Kill ends the process at once. A process that has ended already is not an
// error, and its number is not used after it was reaped.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// Close closes the front's ends of the link and the control socket.
func (p *Process) Close() {
	p.Link.Close()
	p.Control.Close()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
