package config

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/internal/observe/accesslog"
	"github.com/asteri/asteri-loop/internal/observe/logging"
	"github.com/asteri/asteri-loop/internal/observe/syslog"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

func logFormat(s string) (string, error) {
	_, err := accesslog.Compile(s, accesslog.Options{})
	return s, err
}

func syslogAddress(s string) (string, error) {
	_, err := syslog.ParseAddress(s)
	return s, err
}

func syslogFacility(s string) (string, error) {
	_, err := syslog.ParseFacility(s)
	return s, err
}

// loggerLevel checks LOGGER=LEVEL.
func loggerLevel(s string) (string, error) {
	name, level, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return "", errors.New("must be a logger and a level: django.db=warning")
	}
	level = strings.ToLower(level)
	_, err := logging.Level(level)
	return name + "=" + level, err
}

// requestIDValue is the name of a field, or off.
type requestIDValue struct{ at *string }

// notForIDs are fields that mean something else to the server or the client.
var notForIDs = map[string]bool{
	"host": true, "connection": true, "content-length": true, "content-type": true, "content-encoding": true, "transfer-encoding": true, "te": true,
	"trailer": true, "upgrade": true, "expect": true, "keep-alive": true, "proxy-connection": true, "cookie": true, "set-cookie": true,
	"authorization": true, "location": true, "date": true, "server": true, "forwarded": true, "traceparent": true, "tracestate": true,
}

func (v requestIDValue) Set(s string) error {
	switch strings.ToLower(s) {
	case "off", "none", "false", "":
		*v.at = "off"
		return nil
	}
	if !httpfield.IsToken([]byte(s)) || strings.Contains(s, "_") {
		return errors.New("must be the name of a field, such as X-Request-ID, or off")
	}
	if notForIDs[strings.ToLower(s)] {
		return errors.New("that field has another use")
	}
	*v.at = s
	return nil
}

func (v requestIDValue) TOML() string { return strconv.Quote(*v.at) }

func otlpEndpoint(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", errors.New("must be http://HOST:PORT or https://HOST:PORT, perhaps with a path")
	}
	return s, nil
}
