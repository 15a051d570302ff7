package config

import "github.com/asteri/asteri-loop/internal/observe/syslog"

// loggingSettings are those of logs, request ids and traces.
var loggingSettings = []*setting{
	{
		Name: "access_logfile", Aliases: []string{"accesslog"}, Flags: []string{"access-logfile"}, Group: groupLogging, Meta: "FILE", Default: "auto", Live: true,
		Help: "Where to log requests: a file, - for standard output, none, or auto: standard output if it is a terminal, else none. A reload does not begin a log where there was none.",
		at:   func(c *Config) value { return text(&c.AccessLogfile, nil) },
	}, {
		Name: "access_logformat", Aliases: []string{"access_log_format"}, Flags: []string{"access-logformat"}, Group: groupLogging, Meta: "FORMAT", Live: true,
		Default: `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %({request_id}x)s`,
		Help:    "The line for a request, in gunicorn's notation; or json, combined or common. The default is combined and the request's id.",
		at:      func(c *Config) value { return text(&c.Server.Logs.Access.Format, logFormat) },
	}, {
		Name: "error_logfile", Aliases: []string{"errorlog", "log_file"}, Flags: []string{"error-logfile", "log-file"}, Group: groupLogging, Meta: "FILE", Default: "-", Live: true,
		Help: "Where to log everything else: a file, or - for standard error.",
		at:   func(c *Config) value { return text(&c.ErrorLogfile, nil) },
	}, {
		Name: "log_level", Aliases: []string{"loglevel"}, Flags: []string{"log-level"}, Group: groupLogging, Meta: "LEVEL", Default: "info", Live: true,
		Help: "The least important messages to log: debug, info, warning, error or critical.",
		at: func(c *Config) value {
			return choice(&c.LogLevel, map[string]string{"warn": "warning"}, "debug", "info", "warning", "error", "critical")
		},
	}, {
		Name: "logger_level", Flags: []string{"logger-level"}, Group: groupLogging, Meta: "LOGGER=LEVEL", Many: true,
		Help: "Another level for what an application logs by a logger of Python and those below it: django.db=warning. May be repeated.",
		at:   func(c *Config) value { return list(&c.LoggerLevels, loggerLevel) },
	}, {
		Name: "log_format", Flags: []string{"log-format"}, Group: groupLogging, Meta: "FORM", Default: "text",
		Help: "The form of the error log: text for people, or json, an object a line. That of the access log is access_logformat.",
		at:   func(c *Config) value { return choice(&c.LogFormat, nil, "text", "json") },
	}, {
		Name: "capture_output", Flags: []string{"capture-output"}, Group: groupLogging, Default: "on", Live: true,
		Help: "Log what the application prints. Off has its standard output and error be the server's own, byte for byte; a setting of gunicorn's, where that is the default.",
		at:   func(c *Config) value { return opposite{&c.Python.KeepOutput} },
	}, {
		Name: "log_syslog", Aliases: []string{"syslog"}, Flags: []string{"log-syslog"}, Group: groupLogging, Default: "off",
		Help: "Also send both logs to a syslog daemon.",
		at:   func(c *Config) value { return boolean(&c.LogSyslog) },
	}, {
		Name: "log_syslog_to", Aliases: []string{"syslog_addr"}, Flags: []string{"log-syslog-to"}, Group: groupLogging, Meta: "ADDRESS", Default: syslog.DefaultAddress(),
		Help: "The daemon: udp://HOST:PORT, tcp://HOST:PORT, or unix:PATH, which #dgram or #stream may follow.",
		at:   func(c *Config) value { return text(&c.LogSyslogTo, syslogAddress) },
	}, {
		Name: "log_syslog_prefix", Aliases: []string{"syslog_prefix"}, Flags: []string{"log-syslog-prefix"}, Group: groupLogging, Meta: "NAME",
		Help: "A part of the name under which messages are sent: asteri-loop.NAME.access and asteri-loop.NAME.error.",
		at:   func(c *Config) value { return text(&c.LogSyslogPrefix, nil) },
	}, {
		Name: "log_syslog_facility", Aliases: []string{"syslog_facility"}, Flags: []string{"log-syslog-facility"}, Group: groupLogging, Meta: "NAME", Default: "user",
		Help: "The facility of messages, such as daemon or local0.",
		at:   func(c *Config) value { return text(&c.LogSyslogFacility, syslogFacility) },
	}, {
		Name: "disable_redirect_access_to_syslog", Flags: []string{"disable-redirect-access-to-syslog"}, Group: groupLogging, Default: "off",
		Help: "Leave the access log out of what --log-syslog sends.",
		at:   func(c *Config) value { return boolean(&c.DisableRedirectAccessToSyslog) },
	}, {
		Name: "request_id", Flags: []string{"request-id"}, Group: groupLogging, Meta: "FIELD|off", Default: "X-Request-ID",
		Help: "The field in which applications and clients find a request's id, which is in the logs too; off for none. A proxy in --forwarded-allow-ips may give the id in it.",
		at:   func(c *Config) value { return requestIDValue{&c.Server.RequestID} },
	},

	{
		Name: "otlp_endpoint", Flags: []string{"otlp-endpoint"}, Group: groupTracing, Meta: "URL", Variables: []Variable{{Name: "OTEL_EXPORTER_OTLP_ENDPOINT"}},
		Help: "Send a trace of requests to an OpenTelemetry collector there, by OTLP over HTTP: http://localhost:4318. Without it none is made, unless OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set. The other variables of OpenTelemetry count too.",
		at:   func(c *Config) value { return text(&c.Server.Traces.Endpoint, otlpEndpoint) },
	},
}
