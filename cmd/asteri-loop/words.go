package main

import (
	"errors"
	"os"
	"strings"

	"github.com/asteri/asteri-loop/internal/ctl"
	"github.com/asteri/asteri-loop/internal/settings/config"
)

// words are the first arguments that ask for something in place of serving.
func words() []config.Word {
	return append(config.Words(), []config.Word{
		{Name: "ctl", Help: "Give orders to a server that runs, by its control socket.", Then: ctl.Commands()},
		{Name: "explain", Help: "Print each setting that is not as by default, and where it comes from (--all: every one)."},
		{Name: "gunicorn", Help: "Take gunicorn's command line."},
		{Name: "systemd", Help: "Print a unit for systemd that serves what the rest of the command line says."},
		{Name: "completion", Help: "Print what has a shell complete the command line.", Then: config.Shells},
		{Name: "man", Help: "Print the manual page."},
	}...)
}

// runWord does what the first argument asks for, and tells whether it has asked.
func runWord(in config.Input) (asked bool, status int) {
	if len(in.Args) == 0 {
		return false, exitOK
	}
	word := in.Args[0]
	in.Args = in.Args[1:]
	switch word {
	case "ctl":
		return true, runCtl(in)
	case "systemd":
		return true, printUnit(in)
	case "completion", "man":
		return true, printMade(word, in.Args)
	}
	return false, exitOK
}

// printMade writes what the table of settings makes.
func printMade(word string, args []string) int {
	var err error
	switch {
	case word == "man" && len(args) == 0:
		return ended(config.WriteMan(os.Stdout, version, words()))
	case word == "man":
		err = errors.New("man: takes nothing")
	case len(args) != 1:
		err = errors.New("completion: give a shell: " + strings.Join(config.Shells, ", "))
	default:
		err = config.WriteCompletion(os.Stdout, args[0], words())
	}
	if err != nil {
		return complain(exitUsage, err)
	}
	return exitOK
}
