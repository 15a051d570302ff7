// Package config holds the server's settings: one row for each in settings.go,
// of which the command line, the environment, the configuration file, --help,
// --print-config and docs/settings.md are all made.
package config

import (
	"io/fs"
	"slices"
	"time"

	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/workers/python"
)

// Config is the outcome of Load: every setting with its effective value.
type Config struct {
	// App names the Python application as the user gave it, empty for the
	// embedded demonstration.
	App string
	// File is the configuration file that was read, empty for none.
	File string

	// Help, Version, PrintConfig and CheckConfig ask for that in place of
	// serving.
	Help, Version, PrintConfig, CheckConfig bool
	// HelpTopic is what help was asked about, as WriteHelp takes it.
	HelpTopic string

	// Server is what the server is set with, and Python the application and those at
	// mounts, unless they have settings of their own (Mounted). What is for Go
	// applications and other servers too, such as Timeout, is there.
	Server   server.Config
	Python   python.Config
	Upstream server.Upstream

	// UpgradeTimeout is how long a new process may take until it could serve.
	UpgradeTimeout time.Duration
	workers        string // as it was given: Python has what it comes to
	// EnvFiles hold variables for the application.
	EnvFiles []string

	// Daemon has the server leave the terminal; PIDFile is where its id is kept, ProcName
	// what its processes are called. Empty ones are none.
	Daemon            bool
	PIDFile, ProcName string
	// User and Group are whom the server becomes, InitGroups adds the user's others.
	User, Group string
	InitGroups  bool

	// AccessLogfile is a path, "-", "none" or "auto".
	AccessLogfile string
	ErrorLogfile  string
	LogLevel      string
	// LoggerLevels are LOGGER=LEVEL.
	LoggerLevels []string
	// LogFormat is "text" or "json".
	LogFormat string
	LogSyslog bool
	// LogSyslogTo and LogSyslogFacility are as package syslog parses them.
	LogSyslogTo, LogSyslogPrefix, LogSyslogFacility string
	DisableRedirectAccessToSyslog                   bool

	// Mounts are applications and servers beside App.
	Mounts     []Mount
	mountSpecs []string

	// Warnings are mistakes that do not keep the server from starting, in
	// words for the log.
	Warnings []string

	// Conf is the gunicorn.conf.py that was executed, nil for none. Who has the settings closes it.
	Conf *python.Conf
	// Idle are settings of gunicorn's that were given and do nothing here.
	Idle []Idle

	gunicorn    bool // the command line is gunicorn's
	asksOnly    bool // no file is executed that nobody has named
	confFile    python.ConfFile
	hookTimeout time.Duration
	carried     map[string]any // settings of gunicorn's that workers heed, by their names
	carriedFrom map[string]Origin
	given       assignments // the command line

	dir     string // what relative paths in Chdir and File are relative to
	origins map[string]Origin
}

// Origin says where a setting's value came from.
type Origin struct {
	// Layer is the kind of source.
	Layer Layer
	// Name is the flag, the environment variable or the file and its key.
	Name string
	// Place is the file and the line, as far as that is known.
	Place string
}

// Layer is a kind of source. Later ones win.
type Layer uint8

// The layers, from the weakest to the strongest.
const (
	Default Layer = iota
	File
	Environment
	CommandLine
)

// String says where a value came from, in words for --print-config.
func (o Origin) String() string {
	switch o.Layer {
	case File:
		return "file " + o.Name
	case Environment:
		return "environment " + o.Name
	case CommandLine:
		return "command line " + o.Name
	}
	if o.Name != "" {
		return o.Name
	}
	return "default"
}

// Origin returns where the setting called name got its value from.
func (c *Config) Origin(name string) Origin { return c.origins[name] }

// Models are the names of the worker models.
var Models = python.Models()

// Umask returns what the processes' files are not to be permitted, if somebody has said so.
func (c *Config) Umask() (mask fs.FileMode, given bool) {
	return fs.ModePerm &^ c.Server.Listen.Mode, c.origins["umask"].Layer != Default
}

// Speaks tells whether a version of HTTP, "h1", "h2" or "h3", is spoken.
func (c *Config) Speaks(version string) bool {
	return slices.Contains(c.Server.HTTP.Versions, version)
}

// Serves tells whether scheme, "http" or "https", is to be spoken on the
// server's ports.
func (c *Config) Serves(scheme string) bool {
	return slices.Contains(c.Server.Listen.Schemes, scheme)
}
