package main

import (
	"fmt"
	"io"
	"os"

	"github.com/asteri/asteri-loop/internal/accesslog"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/logging"
)

// accessOutput is where requests are logged, and in which formats.
type accessOutput struct {
	out           io.WriteCloser    // nil for none
	format, plain *accesslog.Format // for out, and for syslog; never nil
}

func openAccess(cfg *config.Config) (o accessOutput, err error) {
	path := accessPath(cfg)
	if o.format, err = accessFormat(cfg, path == "-" && logging.Color(os.Stdout, os.Getenv)); err != nil {
		return o, err
	}
	if o.plain, err = accessFormat(cfg, false); err != nil {
		return o, err
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
