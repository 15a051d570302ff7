package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/asteri/asteri-loop/internal/ctl"
	"github.com/asteri/asteri-loop/internal/settings/config"
)

const ctlUsage = `usage: asteri-loop ctl [OPTIONS] COMMAND

Commands:
  status               how the server is
  workers              its worker processes
  requests             what is in flight, the oldest first
  reload               read settings, certificates and code again; answers when
                       that has succeeded or failed
  upgrade              have the program as it is on disk now take over, and lose
                       nothing; answers when it serves, or why it does not
  scale N              have N workers for each application
  add-worker           one more for each
  remove-worker        one fewer for each; one stays
  restart-worker PID   put another worker in the place of one, which finishes
                       what it has
  kill-worker PID      end a worker at once; another takes its place
  stacks [PID]         where a process is, or all workers
  log-level [LEVEL]    show or set it: debug, info, warning, error, critical
  drain                what TERM does: stop gracefully, after --drain-delay
  stop                 what INT does: stop gracefully

Options:
  --control-socket PATH   the server's; without it ASTERI_CONTROL_SOCKET, or
                          control_socket in the configuration file
  -c, --config FILE       the configuration file: asteri.toml
  --app NAME              the application that reload, scale, add-worker and
                          remove-worker are about: where it is mounted ("/" for
                          the one at no mount), or what is served there
  --json                  for programs: the result as the server has sent it
  --timeout TIME          how long to wait for the answer [6m]
  -h, --help              this

Exit status: 0, 1 if it was refused or has failed, 2 for wrong usage.
`

// order is a command line of ctl.
type order struct {
	socket, config string
	json, help     bool
	timeout        time.Duration
	ctl.Request
}

// runCtl is asteri-loop ctl.
func runCtl(in config.Input) int {
	o, err := parseOrder(in.Args)
	if err != nil {
		complain(exitUsage, err)
		fmt.Fprintln(os.Stderr, "Try asteri-loop ctl --help.")
		return exitUsage
	}
	if o.help {
		_, err = io.WriteString(os.Stdout, ctlUsage)
		return ended(err)
	}
	path, err := o.path(in)
	if err != nil {
		return complain(exitUsage, err)
	}
	response, err := ctl.Ask(path, o.Request, o.timeout)
	if err != nil {
		return complain(exitFailure, err)
	}
	if e := response.Error; e != nil {
		if o.json {
			_ = json.NewEncoder(os.Stdout).Encode(response) // the exit status says the rest
		}
		return complain(statusOf(e), e)
	}
	if o.json {
		_, err = fmt.Println(string(response.Result))
		return ended(err)
	}
	return ended(o.show(os.Stdout, response.Result))
}

func ended(err error) int {
	if err != nil {
		return complain(exitFailure, err)
	}
	return exitOK
}

// statusOf tells mistakes of who has asked from what could not be done.
func statusOf(e *ctl.Error) int {
	if e.Code == ctl.BadRequest || e.Code == ctl.UnknownCommand {
		return exitUsage
	}
	return exitFailure
}

// answerTimeout is longer than the server waits for the end of a reload.
const answerTimeout = 6 * time.Minute

// parseOrder reads the arguments behind ctl: options anywhere, a command and what it takes.
func parseOrder(args []string) (*order, error) {
	o := new(order)
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.Usage = func() {}
	flags.StringVar(&o.socket, "control-socket", "", "")
	flags.StringVarP(&o.config, "config", "c", "", "")
	flags.StringVar(&o.App, "app", "", "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVarP(&o.help, "help", "h", false, "")
	flags.DurationVar(&o.timeout, "timeout", answerTimeout, "")
	err := flags.Parse(negative(args))
	words := flags.Args()
	switch {
	case err != nil:
		return nil, fmt.Errorf("ctl: %w", err)
	case o.help:
		return o, nil
	case flags.Changed("app") && o.App == "":
		return nil, errors.New("ctl: --app: must not be empty; without it all applications are meant")
	case o.timeout <= 0:
		return nil, errors.New("ctl: --timeout: must be positive")
	case len(words) == 0:
		return nil, errors.New("ctl: give a command: " + strings.Join(ctl.Commands(), ", "))
	}
	o.Version, o.Command = ctl.Version, words[0]
	if err := o.take(words[1:]); err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("ctl: %w", err)
	}
	return o, nil
}

// negative keeps numbers below zero, which no command takes, from being read as options.
func negative(args []string) []string {
	for i, arg := range args {
		if _, err := strconv.Atoi(arg); err == nil && strings.HasPrefix(arg, "-") {
			return append(append(append([]string{}, args[:i]...), "--"), args[i:]...)
		}
	}
	return args
}

// take reads what stands behind a command. Whether it may is for Check.
func (o *order) take(words []string) error {
	switch {
	case len(words) == 0:
		return nil
	case len(words) > 1:
		return fmt.Errorf("ctl: %s: one word too many: %q", o.Command, words[1])
	case o.Command == "log-level":
		o.Level = words[0]
		return nil
	}
	n, err := strconv.Atoi(words[0])
	switch o.Command {
	case "scale":
		o.Workers = &n
	case "kill-worker", "restart-worker", "stacks":
		o.PID = &n
	default:
		if o.Check() == nil { // else there is something else to say
			return fmt.Errorf("ctl: %s: takes nothing: %q", o.Command, words[0])
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("ctl: %s: %q: must be a number", o.Command, words[0])
	}
	return nil
}

// path finds the socket as the server does, which may have its settings from elsewhere.
func (o *order) path(in config.Input) (string, error) {
	in.Args = nil
	if o.socket != "" {
		in.Args = append(in.Args, "--control-socket="+o.socket)
	}
	if o.config != "" {
		in.Args = append(in.Args, "--config="+o.config)
	}
	path, err := config.ControlSocket(in)
	if err == nil && path == "" {
		err = errors.New("ctl: which server? give --control-socket PATH, or set ASTERI_CONTROL_SOCKET, or control_socket in the configuration file")
	}
	return path, err
}
