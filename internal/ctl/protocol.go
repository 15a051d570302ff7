// Package ctl is the control socket: a Unix socket at which a server takes orders, and the
// client's side of it. A client sends one request, one line of JSON, and gets one response,
// one line of JSON, with which the connection ends. docs/control.md is the protocol.
package ctl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/settings/suggest"
	"github.com/asteri/asteri-loop/status"
)

// Version is that of the protocol. A request of another one is refused.
const Version = 1

// Bounds.
const (
	// MaxRequest is the length of a request, in bytes, its end of line included.
	MaxRequest = 4096
	// MaxResponse is that of a response: a document has a bound for each of its lists.
	MaxResponse = 32 << 20
	// MaxClients are served at once. Those beyond are told so.
	MaxClients = 16
	// MaxWorkers is what a pool may be scaled to, as in the settings.
	MaxWorkers = 4096

	requestTimeout = 5 * time.Second // for all of a request
	writeTimeout   = 5 * time.Second // for all of a response
	actionTimeout  = 5 * time.Minute // for the end of a reload
	lingerTimeout  = time.Second     // for what a refused client is still sending
)

// Request is what a client asks for.
type Request struct {
	Version int    `json:"version"`
	Command string `json:"command"`
	// App names the application that reload, scale, add-worker and remove-worker are
	// about; all without it.
	App string `json:"app,omitempty"`
	// Workers is for scale, PID for kill-worker, restart-worker and stacks, Level for
	// log-level.
	Workers *int   `json:"workers,omitempty"`
	PID     *int   `json:"pid,omitempty"`
	Level   string `json:"level,omitempty"`
}

// Response is the answer: Result if OK, which each command has its own form of, else Error.
type Response struct {
	Version int             `json:"version"`
	OK      bool            `json:"ok"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *Error          `json:"error,omitempty"`
}

// Error says in one line why there is no result.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Code tells programs what kind an Error is of.
type Code string

// The codes.
const (
	BadRequest     Code = "bad_request"     // it cannot be understood, or means nothing
	UnknownCommand Code = "unknown_command" // another one may have been meant
	Refused        Code = "refused"         // it cannot be done here, or now
	Failed         Code = "failed"          // it was tried
	Forbidden      Code = "forbidden"       // the client is neither the server's user nor root
	Busy           Code = "busy"            // too many clients
	TimedOut       Code = "timed_out"       // the server is still at it
)

// Results of commands; that of status is a status.Report.
type (
	// Staff are those of workers.
	Staff struct {
		Workers []status.Worker `json:"workers"`
	}
	// Flights are those of requests.
	Flights struct {
		// InFlight is how many there are; Requests are the oldest.
		InFlight int              `json:"in_flight"`
		Requests []status.Request `json:"requests"`
	}
	// Scaled is that of scale, add-worker and remove-worker.
	Scaled struct {
		Scaled []status.Staffing `json:"scaled"`
	}
	// Level is that of log-level.
	Level struct {
		Level string `json:"level"`
	}
	// Upgraded is that of upgrade: which process serves now.
	Upgraded struct {
		PID int `json:"pid"`
	}
	// Stacks is that of stacks.
	Stacks struct {
		Stacks []Stack `json:"stacks"`
	}
	// Stack is where a process is. Error says why that is not known.
	Stack struct {
		PID   int    `json:"pid"`
		Text  string `json:"text,omitempty"`
		Error string `json:"error,omitempty"`
	}
)

// takes is what a command may have beside its name.
type takes struct {
	app, workers, pid, level bool
	needs                    bool // workers or pid
}

// commands are all that there are.
var commands = map[string]takes{
	"status": {}, "workers": {}, "requests": {}, "stop": {}, "drain": {},
	"reload": {app: true}, "add-worker": {app: true}, "remove-worker": {app: true},
	"scale":       {app: true, workers: true, needs: true},
	"kill-worker": {pid: true, needs: true}, "restart-worker": {pid: true, needs: true},
	"stacks":    {pid: true},
	"log-level": {level: true}, "upgrade": {},
}

// Commands returns their names, in order.
func Commands() []string {
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Check tells what a request cannot mean. Its error is nil or an *Error.
func (r *Request) Check() error {
	if r.Version != Version {
		return wrong("version %d of the protocol is not spoken here: it must be %d", r.Version, Version)
	}
	c, ok := commands[r.Command]
	switch {
	case !ok:
		return unknown(r.Command)
	case r.App != "" && !c.app:
		return wrong("%s is not about one application", r.Command)
	case r.Workers != nil && !c.workers:
		return wrong("%s takes no number of workers", r.Command)
	case r.PID != nil && !c.pid:
		return wrong("%s takes no process id", r.Command)
	case r.Level != "" && !c.level:
		return wrong("%s takes no level", r.Command)
	case c.needs && c.workers && r.Workers == nil:
		return wrong("%s needs a number of workers", r.Command)
	case c.needs && c.pid && r.PID == nil:
		return wrong("%s needs the process id of a worker", r.Command)
	case r.Workers != nil && (*r.Workers < 1 || *r.Workers > MaxWorkers):
		return wrong("%d: the number of workers must be from 1 to %d", *r.Workers, MaxWorkers)
	case r.PID != nil && *r.PID < 1:
		return wrong("%d: a process id must be positive", *r.PID)
	}
	return nil
}

func wrong(format string, args ...any) *Error {
	return &Error{BadRequest, fmt.Sprintf(format, args...)}
}

func unknown(command string) *Error {
	names := Commands()
	meant := ""
	if near := suggest.Nearest(command, names); near != "" {
		meant = fmt.Sprintf("did you mean %s? ", near)
	}
	if len(command) > 40 {
		command = strings.ToValidUTF8(command[:40], "") + "…"
	}
	return &Error{UnknownCommand, fmt.Sprintf("no such command: %q; %sThere are %s", command, meant, strings.Join(names, ", "))}
}

// oneLine makes a message fit for a terminal and a log.
func oneLine(err error) string {
	return strings.Map(printable, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}

// Printable replaces what a terminal would take for an order, but for the ends of lines.
func Printable(s string) string { return strings.Map(printable, s) }

func printable(r rune) rune {
	if r != '\n' && r < ' ' || r >= 0x7f && r < 0xa0 {
		return '\uFFFD'
	}
	return r
}
