// Command asteri-loop serves web applications: Python ones in worker processes,
// or a demonstration of its own. See docs/settings.md for what it can be told.
package main

import (
	"fmt"
	"os"

	"github.com/asteri/asteri-loop/internal/settings/config"
)

// Exit statuses.
const (
	exitOK      = 0 // stopped as asked
	exitFailure = 1 // the server could not start, or failed
	exitUsage   = 2 // a mistake in the settings, which another start would not cure
	exitBoot    = 3 // the application could not be started, as with gunicorn
)

func main() { os.Exit(run(os.Args[1:])) }

// run does what the arguments ask for and returns the exit status.
func run(args []string) int {
	d := takeDaemon()
	input, before, err := surroundings(args)
	if err != nil {
		return complain(exitFailure, err)
	}
	if asked, status := runWord(input); asked {
		return status
	}
	if status, done := runExplaining(input); done {
		return status
	}
	cfg, err := config.Load(input)
	if err != nil {
		complain(exitUsage, err)
		before.Failed(err.Error())
		fmt.Fprintln(os.Stderr, "Try asteri-loop --help.")
		return exitUsage
	}
	defer cfg.Conf.Close()
	switch {
	case cfg.Help:
		return help(cfg.HelpTopic)
	case cfg.Version:
		_, err = fmt.Println("asteri-loop " + version)
	case cfg.PrintConfig:
		err = cfg.Print(os.Stdout)
	case cfg.Daemon && d == nil && before == nil && !cfg.CheckConfig:
		return startDaemon(cfg)
	default:
		return serve(input, cfg, d, before)
	}
	if err != nil {
		return complain(exitFailure, err)
	}
	return exitOK
}
