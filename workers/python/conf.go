package python

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/workers/python/internal/process"
)

// ConfFile is a gunicorn.conf.py, and what is asked of it.
type ConfFile struct {
	// Location is a path, file:PATH or python:MODULE.
	Location string
	// Dir is an absolute directory, in which the file is executed: paths are relative to it, and
	// modules are found in it.
	Dir string
	// Names are those of the settings that are asked for, and Hooks how many arguments each hook takes.
	Names []string
	Hooks map[string]int
	// Keep are the hooks that are to be called: if the file has one of them its interpreter is kept.
	Keep []string
	// Timeout bounds the execution of the file, and each hook.
	Timeout time.Duration
}

// Conf is a gunicorn.conf.py that was executed by an interpreter of its own, the one that workers have, and the
// hooks of the server in it, which run there. They run one after the other, and none of them can hold up the server
// for longer than their time. The methods may be called on a nil Conf, which has no hooks.
type Conf struct {
	// Values are the settings that are plain data, as JSON has them, and Odd the types of those that are none.
	Values map[string]any
	Odd    map[string]string
	// Others are names that are no settings, and Lines where settings are bound, by line numbers.
	Others, Lines map[string]int
	// Hooks are those that the file has.
	Hooks []string
	// Path is the file, absolute; empty where that is not known.
	Path string

	file   ConfFile
	python Config

	mu      sync.Mutex
	log     *slog.Logger
	helper  *helper         // nil if there is none: it is not needed, or has ended
	context json.RawMessage // what a helper is told before it runs hooks
	deaths  int             // of helpers in a row
	closed  bool

	calls chan confCall // what waits for its turn; nil without hooks
	ended chan struct{} // closed when nothing more will be called
}

// ConfError says why a conf file could not be executed.
type ConfError struct {
	Location, Message, Traceback string
}

// Error returns the traceback and, last, the one line that says what is wrong.
func (e *ConfError) Error() string {
	return strings.TrimPrefix(strings.TrimSpace(e.Traceback)+"\n", "\n") + e.Location + ": " + e.Message
}

// confCall is a hook that is to be called.
type confCall struct {
	hook string
	args []any
	done chan<- struct{} // told of its end; nil if nobody waits
}

// confQueue is how many hooks may wait for their turn; further ones are not called.
const confQueue = 256

// OpenConf executes a conf file by the interpreter that workers with cfg would have. The error is a *ConfError
// if the file is to blame, and a *BootError if the interpreter is.
func OpenConf(cfg Config, file ConfFile) (*Conf, error) {
	file.Names, file.Hooks = append([]string{}, file.Names...), maps.Clone(file.Hooks)
	if file.Hooks == nil {
		file.Hooks = make(map[string]int)
	}
	c := &Conf{file: file, python: cfg, ended: make(chan struct{})}
	h, err := c.start(c)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(file.Keep, c.Has) {
		h.close()
		close(c.ended)
		return c, nil
	}
	c.helper, c.calls = h, make(chan confCall, confQueue)
	go c.run()
	return c, nil
}

// Has tells whether the file has a hook.
func (c *Conf) Has(hook string) bool { return c != nil && slices.Contains(c.Hooks, hook) }

// confAnswer is a line from a helper.
type confAnswer struct {
	// What the file says.
	Values map[string]any    `json:"values"`
	Odd    map[string]string `json:"odd"`
	Others map[string]int    `json:"others"`
	Lines  map[string]int    `json:"lines"`
	Hooks  []string          `json:"hooks"`
	Path   string            `json:"path"`
	// Why it cannot be executed, or a hook has failed.
	Failed    *string `json:"failed"`
	Traceback string  `json:"traceback"`
	// What is to be logged: a level of Python's and a text.
	Log []any `json:"log"`
}

// start starts a helper, which executes the file, and puts what that says into.
func (c *Conf) start(into *Conf) (*helper, error) {
	h, err := c.startHelper()
	if err != nil {
		return nil, err
	}
	told, err := h.answer(c.file.Timeout)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		h.kill()
		return nil, &ConfError{Location: c.file.Location, Message: fmt.Sprintf("it was executed for %v and has not come to its end; --hook-timeout allows more", c.file.Timeout)}
	case err != nil && errors.Is(h.broken, bufio.ErrTooLong):
		h.kill()
		return nil, &ConfError{Location: c.file.Location, Message: fmt.Sprintf("its settings take more than %d bytes", longestAnswer)}
	case err != nil:
		h.kill()
		return nil, c.endedEarly(h)
	case told.Failed != nil:
		h.close()
		return nil, &ConfError{c.file.Location, *told.Failed, told.Traceback}
	}
	into.Values, into.Odd, into.Others, into.Lines, into.Hooks, into.Path = told.Values, told.Odd, told.Others, told.Lines, told.Hooks, told.Path
	return h, nil
}

func (c *Conf) endedEarly(h *helper) error {
	return &ConfError{Location: c.file.Location, Message: "its interpreter " + h.proc.Exit.Sentence()}
}

// helper is the interpreter.
type helper struct {
	proc    *process.Process
	answers chan confAnswer // closed at the end of what it says
	broken  error           // why that is, if the helper has not ended; valid once answers is closed
}

// longestAnswer bounds a line.
const longestAnswer = 1 << 20

func (c *Conf) startHelper() (*helper, error) {
	python := c.python.python()
	interpreter, err := python.Find()
	if err != nil {
		return nil, bootError(err)
	}
	argv := []string{interpreter, "-", "asteri-loop", "hooks", c.file.Location}
	proc, err := process.Start(argv, python.Environ(), theShim().boot, true)
	if err != nil {
		return nil, &BootError{Phase: "start", Message: err.Error()}
	}
	h := &helper{proc: proc, answers: make(chan confAnswer, 1)}
	_ = proc.Link.SetWriteDeadline(time.Now().Add(c.file.Timeout))
	_, err = proc.Link.Write(theShim().program)
	if err == nil {
		err = h.send(c.file.Timeout, map[string]any{
			"location": c.file.Location, "directory": c.file.Dir, "path": absolute(c.file.Dir, c.python.PythonPath),
			"names": c.file.Names, "arities": c.file.Hooks,
		})
	}
	if err != nil { // it has ended
		h.kill()
		return nil, c.endedEarly(h)
	}
	go h.read(c)
	return h, nil
}

func absolute(dir string, paths []string) []string {
	all := make([]string, 0, len(paths))
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		all = append(all, path)
	}
	return all
}

func (h *helper) send(within time.Duration, message any) error {
	line, err := json.Marshal(message)
	if err == nil {
		_ = h.proc.Link.SetWriteDeadline(time.Now().Add(within))
		_, err = h.proc.Link.Write(append(line, '\n'))
	}
	return err
}

// read passes answers on, and has c log what is to be logged, until the helper ends or says what it may not.
func (h *helper) read(c *Conf) {
	defer close(h.answers)
	lines := bufio.NewScanner(h.proc.Link)
	lines.Buffer(nil, longestAnswer)
	for lines.Scan() {
		var told confAnswer
		if h.broken = json.Unmarshal(lines.Bytes(), &told); h.broken != nil {
			return
		}
		if told.Log != nil {
			c.logged(told.Log)
			continue
		}
		select {
		case h.answers <- told:
		default:
			return // nobody has asked for so many
		}
	}
	h.broken = lines.Err()
}

// answer waits for the next answer.
func (h *helper) answer(within time.Duration) (confAnswer, error) {
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case told, ok := <-h.answers:
		if !ok {
			return told, errHelperEnded
		}
		return told, nil
	case <-late.C:
		return confAnswer{}, os.ErrDeadlineExceeded
	}
}

var errHelperEnded = errors.New("the interpreter has ended")

func (h *helper) hasEnded() bool {
	select {
	case <-h.proc.Exited:
		return true
	default:
		return false
	}
}

// close lets the helper end, for which it has a moment.
func (h *helper) close() {
	h.proc.Close()
	select {
	case <-h.proc.Exited:
	case <-time.After(process.ExitTimeout):
		h.kill()
	}
}

// kill ends the helper at once.
func (h *helper) kill() {
	h.proc.Kill()
	h.proc.Close()
	<-h.proc.Exited
}
