package main

import (
	"fmt"
	"io"
	"os"

	"github.com/asteri/asteri-loop/internal/accesslog"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/logging"
	"github.com/asteri/asteri-loop/internal/syslog"
)

// accessOutputs are where requests are logged, and in which format.
type accessOutputs struct {
	out    io.WriteCloser // nil for none
	format *accesslog.Format
	syslog io.WriteCloser    // nil for none
	plain  *accesslog.Format // for syslog
}

func openAccess(cfg *config.Config) (o accessOutputs, err error) {
	path := accessPath(cfg)
	if o.format, err = accessFormat(cfg, path == "-" && logging.Color(os.Stdout, os.Getenv)); err != nil {
		return o, err
	}
	if cfg.LogSyslog && !cfg.DisableRedirectAccessToSyslog {
		if o.plain, err = accessFormat(cfg, false); err != nil {
			return o, err
		}
		o.syslog = syslogWriter(cfg, "access", syslog.Info)
	}
	if path == "" {
		return o, nil
	}
	if o.out, err = logging.Open(path, os.Stdout); err != nil {
		return o, fmt.Errorf("access log: %w", err)
	}
	return o, nil
}

func accessFormat(cfg *config.Config, color bool) (*accesslog.Format, error) {
	return accesslog.Compile(cfg.AccessLogformat, accesslog.Options{Color: color, PID: os.Getpid(), Software: software()})
}

// accessPath resolves the words that the setting may hold; empty is no log.
func accessPath(cfg *config.Config) string {
	switch cfg.AccessLogfile {
	case "none", "":
		return ""
	case "auto":
		if logging.IsTerminal(os.Stdout) {
			return "-"
		}
		return ""
	}
	return cfg.AccessLogfile
}
