package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/settings/peers"
)

const explainUsage = `usage: asteri-loop explain [--all] [ARGS]

Prints each setting that is not as it is by default, or with --all every one,
and where its value comes from: an option, a variable of the environment, a
line of a file. ARGS are the command line of a server, that of gunicorn too:
asteri-loop explain gunicorn -w 4 app:app. Secrets are masked.

  asteri-loop gunicorn ... --explain     the same command line in our options,
  asteri-loop uvicorn ... --explain      and which of theirs say nothing here
  asteri-loop granian ... --explain
`

// runExplaining does what a command line asks for that is to be explained, and not to be served by.
func runExplaining(in config.Input) (status int, done bool) {
	if len(in.Args) == 0 {
		return 0, false
	}
	word, rest := in.Args[0], in.Args[1:]
	switch word {
	case "explain":
		in.Args = slices.DeleteFunc(slices.Clone(rest), func(arg string) bool { return arg == "--all" })
		return explainSettings(in, len(in.Args) < len(rest)), true
	case "gunicorn":
		in.Args = slices.DeleteFunc(slices.Clone(in.Args), isExplain)
		if len(in.Args) <= len(rest) {
			return explainCommand(in), true
		}
	}
	if peer := peers.Find(word); peer != nil {
		return explainPeer(peer, rest), true
	}
	return 0, false
}

func isExplain(arg string) bool { return arg == "--explain" }

// explainSettings is asteri-loop explain.
func explainSettings(in config.Input, all bool) int {
	cfg, err := config.Load(in)
	if err != nil {
		return complain(exitUsage, err)
	}
	defer cfg.Conf.Close()
	if cfg.Help {
		_, err := os.Stdout.WriteString(explainUsage)
		return ended(err)
	}
	warn(cfg)
	return ended(cfg.Explain(os.Stdout, all))
}

// explainCommand is asteri-loop gunicorn ... --explain.
func explainCommand(in config.Input) int {
	cfg, err := config.Load(in)
	if err != nil {
		return complain(exitUsage, err)
	}
	defer cfg.Conf.Close()
	return ended(cfg.ExplainCommand(os.Stdout))
}

// explainPeer is asteri-loop uvicorn ... --explain, and of others.
func explainPeer(peer *peers.Server, args []string) int {
	if !slices.ContainsFunc(args, isExplain) {
		return complain(exitUsage, fmt.Errorf("%s: add --explain for the command line that says the same here", peer.Name))
	}
	command, left, err := peer.Translate(slices.DeleteFunc(slices.Clone(args), isExplain))
	if err != nil {
		return complain(exitUsage, err)
	}
	idle := make([]config.Idle, 0, len(left)+1)
	for _, one := range append(left, peers.Left{Option: peer.Name, Why: peer.Note}) {
		idle = append(idle, config.Idle{Origin: config.Origin{Name: one.Option}, Why: one.Why})
	}
	return ended(config.WriteEquivalent(os.Stdout, append([]string{"asteri-loop"}, command...), idle))
}

// warn says what is wrong with settings where there is no log.
func warn(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		complain(exitOK, errors.New(w))
	}
}
