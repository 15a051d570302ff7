package config

import (
	"errors"
	"os/user"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/internal/system/privilege"
)

// mechanicsSettings are those of the process, and of what applications find around them.
var mechanicsSettings = []*setting{
	{
		Name: "chdir", Flags: []string{"chdir"}, Group: groupMechanics, Meta: "DIR",
		Help:   "Change to this directory first; the application is imported from it. Other relative paths are relative to it.",
		Mounts: ofApps,
		at:     func(c *Config) value { return text(&c.Python.Chdir, c.directory) },
	}, {
		Name: "env", Aliases: []string{"raw_env"}, Short: "e", Flags: []string{"env"}, Group: groupMechanics, Meta: "NAME=VALUE", Many: true, Live: true, Secret: true,
		Help:   "Set an environment variable for the application. May be repeated.",
		Mounts: ofApps,
		at:     func(c *Config) value { return list(&c.Python.Env, assignment) },
	}, {
		Name: "env_file", Flags: []string{"env-file"}, Group: groupMechanics, Meta: "FILE", Many: true, Live: true,
		Help:   "Read environment variables for the application from this file, one NAME=VALUE a line; quotes, export and comments are understood. --env and the server's own environment win over it. The server's settings are not read from it. A reload reads it again, as the user that the server is by then. May be repeated.",
		Mounts: ofApps,
		at:     func(c *Config) value { return list(&c.EnvFiles, c.directory) },
	}, {
		Name: "python", Flags: []string{"python"}, Group: groupMechanics, Meta: "PATH", Live: true,
		Help:   "The Python interpreter, or the directory of a virtual environment. Without it: $VIRTUAL_ENV, .venv beside the application, python3.",
		Mounts: ofApps,
		at:     func(c *Config) value { return text(&c.Python.Interpreter, nil) },
	}, {
		Name: "pythonpath", Aliases: []string{"python_path"}, Flags: []string{"pythonpath"}, Group: groupMechanics, Meta: "DIR,...", Many: true, Commas: true, Live: true,
		Help:   "Directories to put in front of Python's module path, separated by commas.",
		Mounts: ofApps,
		at:     func(c *Config) value { return list(&c.Python.PythonPath, nil) },
	}, {
		Name: "root_path", Flags: []string{"root-path"}, Group: groupMechanics, Meta: "PATH", Live: true,
		Help:   "The path under which the application is mounted: SCRIPT_NAME for WSGI, root_path for ASGI, and taken off the path for Tornado. What a trusted proxy says (SCRIPT_NAME) goes before it.",
		Mounts: ofApps,
		at:     func(c *Config) value { return text(&c.Python.RootPath, mountPath) },
	}, {
		Name: "tmp_upload_dir", Flags: []string{"tmp-upload-dir"}, Group: groupMechanics, Meta: "DIR",
		Help: "Where the files are, without names, in which large request bodies wait for a worker, and responses for slow clients. Without it $TMPDIR or /tmp.",
		at:   func(c *Config) value { return text(&c.Python.TempDir, c.directory) },
	}, {
		Name: "daemon", Short: "D", Flags: []string{"daemon"}, Group: groupMechanics,
		Help: "Leave the terminal: the command ends once the server is ready, with exit status 0, or has failed, with that of the failure. Needs --error-logfile or --log-syslog: what would go to the terminal goes nowhere then. Not for service managers, which watch the process that they start.",
		at:   func(c *Config) value { return boolean(&c.Daemon) },
	}, {
		Name: "pidfile", Aliases: []string{"pid"}, Short: "p", Flags: []string{"pid"}, Group: groupMechanics, Meta: "FILE",
		Help: "Write the process id into this file, as long as the server runs. It is locked: a second server with the same file does not start, and one that a killed server has left is in nobody's way.",
		at:   func(c *Config) value { return text(&c.PIDFile, c.directory) },
	}, {
		Name: "user", Short: "u", Flags: []string{"user"}, Group: groupMechanics, Meta: "USER",
		Help: "Become this user, by name or number, once the ports are open, logs and certificates are read: the server and its workers, for good. Only root may. Log files and Unix sockets are given to the user. A reload reads certificates and opens logs as that user.",
		at:   func(c *Config) value { return text(&c.User, known("user")) },
	}, {
		Name: "group", Short: "g", Flags: []string{"group"}, Group: groupMechanics, Meta: "GROUP",
		Help: "Become of this group, by name or number, with --user or without. Without it, it is that of --user. Other groups, such as root's, are given up.",
		at:   func(c *Config) value { return text(&c.Group, known("group")) },
	}, {
		Name: "initgroups", Flags: []string{"initgroups"}, Group: groupMechanics,
		Help: "With --user: have all groups in which the system has that user.",
		at:   func(c *Config) value { return boolean(&c.InitGroups) },
	}, {
		Name: "proc_name", Aliases: []string{"name"}, Short: "n", Flags: []string{"name"}, Group: groupMechanics, Meta: "NAME",
		Help: "Name the processes: ps, top and pgrep show the first 15 bytes of it for the server and its workers. Where Python's setproctitle is installed, a worker's command line is asteri-loop: worker [NAME]. On Linux only.",
		at:   func(c *Config) value { return text(&c.ProcName, processName) },
	},
}

// known checks that the system has a user or group; a number may be one that it has no name for.
func known(kind string) func(string) (string, error) {
	return func(s string) (string, error) {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 {
			return s, nil
		}
		_, err := user.Lookup(s)
		if kind == "group" {
			_, err = user.LookupGroup(s)
		}
		if err != nil && s != "" {
			return "", errors.New("there is no such " + kind + didYouMean(s, privilege.Names(kind), ""))
		}
		return s, nil
	}
}

// processName is a name that a list of processes can show.
func processName(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("must be text without control characters")
	}
	return s, nil
}
