package python

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Configure says what hooks are told of the server: settings by gunicorn's names, the working directory, and
// variables of the environment, as "NAME=value". It is called once, before the first hook.
func (c *Conf) Configure(settings map[string]any, chdir string, env []string) {
	if c == nil || c.calls == nil {
		return
	}
	variables := make(map[string]string, len(env))
	for _, kv := range env {
		name, v, _ := strings.Cut(kv, "=")
		variables[name] = v
	}
	told, err := json.Marshal(map[string]any{"settings": settings, "chdir": chdir, "env": variables})
	if err != nil {
		panic(fmt.Sprintf("python: settings that are no plain data: %v", err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.context = told
	if c.helper != nil {
		_ = c.helper.send(c.file.Timeout, c.context) // one that has ended shows with the first hook
	}
}

// Log says where to log what hooks log and what becomes of them. Before it is standard error.
func (c *Conf) Log(to *slog.Logger) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = to
}

func (c *Conf) logger() *slog.Logger {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log == nil {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return c.log
}

// logged logs what a hook has.
func (c *Conf) logged(record []any) {
	if len(record) != 2 {
		return
	}
	level, _ := record[0].(float64)
	text, _ := record[1].(string)
	c.logger().Log(context.Background(), wire.Level(int64(level)), text, "logger", "gunicorn.error")
}

// Call runs a hook of the server, if the file has it, and waits for its end, for as long as it has time.
func (c *Conf) Call(hook string, args ...any) {
	done := make(chan struct{}, 1)
	if c.post(confCall{hook, args, done}) {
		select {
		case <-done:
		case <-c.ended:
		}
	}
}

// Post has a hook run when those before it have. It does not wait.
func (c *Conf) Post(hook string, args ...any) { c.post(confCall{hook: hook, args: args}) }

func (c *Conf) post(call confCall) bool {
	if !c.Has(call.hook) || c.calls == nil {
		return false
	}
	select {
	case <-c.ended:
		return false
	case c.calls <- call:
		return true
	default:
		c.logger().Error("A hook was not called: too many wait for their turn", "hook", call.hook, "waiting", confQueue)
		return false
	}
}

// Close ends the interpreter when the hooks that were called have run, or their time is over. Others are not called.
func (c *Conf) Close() {
	if c == nil || c.calls == nil {
		return
	}
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if !closed {
		c.calls <- confCall{} // behind the others
	}
	<-c.ended
}

// run calls hooks, one after the other.
func (c *Conf) run() {
	defer close(c.ended)
	for {
		call := <-c.calls
		if call.hook == "" {
			break
		}
		c.call(call)
		if call.done != nil {
			call.done <- struct{}{}
		}
	}
	if c.helper != nil {
		c.helper.close()
	}
}

// mostDeaths is how many helpers may end in a row, before no hook is called any more.
const mostDeaths = 3

// call has the helper run a hook; another one, if that has ended. Whatever goes wrong costs this hook.
func (c *Conf) call(call confCall) {
	log := c.logger().With("hook", call.hook)
	if c.helper != nil && c.helper.hasEnded() { // since the last hook: this one is not to blame
		log.Error("The interpreter of hooks has ended: it " + c.helper.proc.Exit.Sentence() + ". Another one is started")
		c.helper.kill()
		c.setHelper(nil)
	}
	if c.helper == nil && !c.restart(log) {
		return
	}
	h := c.helper
	args := call.args
	if args == nil {
		args = []any{}
	}
	err := h.send(c.file.Timeout, map[string]any{"call": call.hook, "args": args})
	if err == nil {
		var told confAnswer
		if told, err = h.answer(c.file.Timeout); err == nil {
			c.deaths = 0
			if told.Failed != nil {
				log.Error("A hook has failed", "traceback", *told.Failed)
			}
			return
		}
	}
	h.kill()
	c.setHelper(nil)
	c.deaths++
	if errors.Is(err, os.ErrDeadlineExceeded) {
		log.Error(fmt.Sprintf("A hook has not returned within %v: its interpreter was ended; --hook-timeout allows more", c.file.Timeout))
		return
	}
	log.Error("A hook's interpreter has ended: it " + h.proc.Exit.Sentence())
}

// restart starts another helper in the place of one that has ended.
func (c *Conf) restart(log *slog.Logger) bool {
	if c.deaths >= mostDeaths {
		log.Error("A hook was not called: its interpreter has ended too often; a reload begins anew")
		return false
	}
	h, err := c.start(&Conf{})
	if err == nil {
		err = h.send(c.file.Timeout, c.context)
	}
	if err != nil {
		c.deaths++
		log.Error("A hook was not called", "error", err)
		return false
	}
	c.setHelper(h)
	return true
}

func (c *Conf) setHelper(h *helper) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.helper = h
}

// Hooks is told of a pool's workers.
type Hooks interface {
	// WorkerStarts is called before a worker is started, by its number. The start waits for it.
	WorkerStarts(age int)
	// WorkerEnded is called when a worker has ended, for whatever reason: with its number, its process and
	// its exit status, which is the negative number of a signal that has killed it. It must not wait.
	WorkerEnded(age, pid, status int)
	// WorkersChanged is called when the number of workers that are wanted has changed. It must not wait.
	WorkersChanged(now, before int)
}

// tellWanted tells hooks how many workers are wanted now.
func (s *supervisor) tellWanted(before int) {
	if hooks := s.config.Hooks; hooks != nil && s.wanted != before {
		hooks.WorkersChanged(s.wanted, before)
	}
}

// WorkerConf makes the document for workers: what hooks of workers file has, and what of the settings, by
// gunicorn's names, they are told. A file without a location is none: workers heed the settings alone.
func WorkerConf(file ConfFile, settings map[string]any) string {
	told, err := json.Marshal(map[string]any{"location": file.Location, "directory": file.Dir, "arities": file.Hooks, "settings": settings})
	if err != nil {
		panic(fmt.Sprintf("python: settings that are no plain data: %v", err))
	}
	return string(told)
}
