package config

import (
	"errors"

	"github.com/asteri/asteri-loop/internal/system/watch"
)

// developmentSettings are those for who writes the application.
var developmentSettings = []*setting{
	{
		Name: "reload", Flags: []string{"reload"}, Group: groupDevelopment,
		Help: "For development: reload the application when a file that it has imported changes. New workers take over once they are ready; if the code cannot be imported the code before serves on, and a browser on this machine shows why. asteri-loop dev APP is this, one worker, an access log, --server-timing on and --tracebacks on.",
		at:   func(c *Config) value { return boolean(&c.Server.Development.Reload) },
	}, {
		Name: "reload_dir", Aliases: []string{"reload_dirs"}, Flags: []string{"reload-dir"}, Group: groupDevelopment, Meta: "DIR", Many: true,
		Help: "With --reload: watch this directory too, with all below it, for files that fit --reload-include. May be repeated. Without it, and with --reload-include, it is the working directory.",
		at:   func(c *Config) value { return list(&c.Server.Development.Dirs, nil) },
	}, {
		Name: "reload_include", Aliases: []string{"reload_includes"}, Flags: []string{"reload-include"}, Group: groupDevelopment, Meta: "GLOB", Many: true,
		Help: "Which files count there beside *.py: *.html for a name anywhere, templates/* for its last parts. May be repeated.",
		at:   func(c *Config) value { return list(&c.Server.Development.Include, glob) },
	}, {
		Name: "reload_exclude", Aliases: []string{"reload_excludes"}, Flags: []string{"reload-exclude"}, Group: groupDevelopment, Meta: "GLOB", Many: true,
		Help: "Which files and directories do not count, though they were imported or fit --reload-include. Hidden ones, node_modules and virtual environments never do. May be repeated.",
		at:   func(c *Config) value { return list(&c.Server.Development.Exclude, glob) },
	}, {
		Name: "reload_extra_files", Aliases: []string{"reload_extra_file"}, Flags: []string{"reload-extra-file"}, Group: groupDevelopment, Meta: "FILE", Many: true,
		Help: "With --reload: watch this file too. May be repeated.",
		at:   func(c *Config) value { return list(&c.Server.Development.Files, nil) },
	}, {
		Name: "reload_browser", Flags: []string{"reload-browser"}, Group: groupDevelopment, Meta: "on|off", Default: "on",
		Help: "With --reload: whether HTML pages that a browser on this machine shows load again after a reload. They get a script of the server's own for that, and are kept in no cache.",
		at:   func(c *Config) value { return opposite{&c.Server.Development.NoRefresh} },
	}, {
		Name: "tracebacks", Flags: []string{"tracebacks"}, Group: groupDevelopment, Meta: "on|off", Default: "off",
		Help: "Whether clients on this machine see the traceback of an exception that the application has left to the server, in place of 500 without a reason.",
		at:   func(c *Config) value { return boolean(&c.Server.Development.Tracebacks) },
	},
}

func glob(s string) (string, error) {
	if s == "" || watch.CheckPattern(s) != nil {
		return "", errors.New("must be a pattern such as *.html or templates/*")
	}
	return s, nil
}

// devSettings are what the word dev stands for.
var devSettings = []replacement{{"reload", "on"}, {"workers", "1"}, {"access_logfile", "-"}, {"server_timing", "on"}, {"tracebacks", "on"}}

// developing tells whether the command line begins with the word dev, and returns what stands
// behind it.
func developing(args []string) (rest []string, dev bool) {
	if len(args) > 0 && args[0] == "dev" {
		return args[1:], true
	}
	return args, false
}

// devAssignments are weaker than the options, and stronger than all else.
func devAssignments() assignments {
	a := make(assignments)
	for _, s := range devSettings {
		a[s.name] = assigned{[]string{s.value}, Origin{Layer: CommandLine, Name: "dev"}}
	}
	return a
}
