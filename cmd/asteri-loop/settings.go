package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"github.com/asteri/asteri-loop/internal/observe/logging"
	"github.com/asteri/asteri-loop/internal/observe/syslog"
	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers/python"
)

// settings are those of a server, for what the user has said: they are in cfg.Server as
// they are. What is added here is the program's, the terminal's, or of its applications.
func (p *program) settings(cfg *config.Config) (server.Config, error) {
	c := cfg.Server
	c.Version = version
	l := &c.Logs
	l.Logger, l.Recent, l.Lost, l.Level = p.logs.Logger, p.logs.recent, p.logs.lost, &p.logs.level
	l.Reopen = func() error { return p.logs.reopen(p.live.Load()) }
	l.Access.Path = accessPath(cfg)
	if cfg.LogSyslog && !cfg.DisableRedirectAccessToSyslog {
		l.Access.Further = syslogWriter(cfg, "access", syslog.Info)
	}
	c.Status.Token, c.Status.Settings = p.token, p.configuration
	c.Control.Reload, c.Control.Stop, c.Control.Upgrade = p.reloads.ask, p.signals.stop, p.upgrade
	c.Inherited = p.inherited
	return c, p.addApplications(&c, cfg)
}

// configuration lists the settings as of the last reload.
func (p *program) configuration() []status.Setting {
	rows := p.live.Load().Rows()
	all := make([]status.Setting, len(rows))
	for i, r := range rows {
		all[i] = status.Setting{Name: r.Name, Value: strings.Trim(r.Value, `"`), Origin: r.Origin}
	}
	return all
}

// addApplications adds what is to be served.
func (p *program) addApplications(c *server.Config, cfg *config.Config) error {
	switch {
	case cfg.App != "":
		app, err := p.pythonSettings(cfg)
		if err != nil {
			return err
		}
		c.App.Python = app
	case len(cfg.Mounts) == 0:
		demo, err := p.newDemonstration(cfg)
		c.App.Handler = demo
		return err
	}
	for _, m := range cfg.Mounts {
		own, err := cfg.Mounted(m)
		if err != nil {
			return err
		}
		to := server.Mount{Host: m.Host, Path: m.Prefix}
		if m.IsURL() {
			to.Upstream = upstreamSettings(own)
		} else {
			if to.Python, err = p.pythonSettings(own); err != nil {
				return fmt.Errorf("%s: %w", m.At(), err)
			}
			to.WholePath = own.Python.RootPath == ""
		}
		c.Mounts = append(c.Mounts, to)
	}
	return nil
}

func upstreamSettings(cfg *config.Config) *server.Upstream {
	u := cfg.Upstream
	u.URL, u.Timeout, u.QueueSize, u.MaxHead = cfg.App, cfg.Python.Timeout, cfg.Python.QueueSize, int64(cfg.Python.ResponseHead)
	return &u
}

func (p *program) pythonSettings(cfg *config.Config) (*python.Config, error) {
	c := cfg.Python
	c.App, c.ProcName = cfg.App, cfg.ProcName
	c.UnderscoreFields = cfg.Server.Proxies.Underscores == "dangerous"
	c.Interpreter = config.Interpreter(c.Interpreter)
	if cfg.Conf != nil {
		c.Hooks = &p.hooks
	}
	if level, err := logging.Level(cfg.LogLevel); err == nil { // Load has checked it
		c.LogLevel = level
	}
	if info, err := os.Stat(c.TempDir); c.TempDir != "" && (err != nil || !info.IsDir()) {
		return nil, &server.ConfigError{Field: "Python.TempDir", Err: fmt.Errorf("--tmp-upload-dir: %q is no folder", c.TempDir)}
	}
	fromFiles, err := readVariables(cfg.EnvFiles)
	c.Env = append(fromFiles, c.Env...)
	return &c, err
}

// readVariables reads files of variables, of which later ones win; those that the process
// has already are left out.
func readVariables(files []string) ([]string, error) {
	found := make(map[string]string)
	for _, name := range files {
		one, err := godotenv.Read(name)
		if err != nil {
			return nil, &server.ConfigError{Field: "Python.Env", Err: fmt.Errorf("--env-file %s: %w", name, err)}
		}
		maps.Copy(found, one)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if _, has := os.LookupEnv(name); !has {
			all = append(all, name+"="+found[name])
		}
	}
	return all, nil
}
