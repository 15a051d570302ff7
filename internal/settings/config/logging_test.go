package config

import (
	"slices"
	"strings"
	"testing"
)

func TestLoggingDefaults(t *testing.T) {
	c := mustLoad(t, "", nil)
	if c.Server.RequestID != "X-Request-ID" || c.LogFormat != "text" || c.LogSyslog || c.LogSyslogFacility != "user" || c.Server.Traces.Endpoint != "" || len(c.LoggerLevels) > 0 {
		t.Errorf("%+v", c)
	}
}

func TestLoggingSettings(t *testing.T) {
	c := mustLoad(t, "syslog_addr = 'unix:/dev/log'\nsyslog = true", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"},
		"--request-id", "Off", "--log-format", "JSON", "--log-syslog-facility", "LOG_LOCAL3", "--logger-level", "django.db=WARNING", "--logger-level", "a=debug", "--access-logformat", "json")
	if c.Server.RequestID != "off" || c.LogFormat != "json" || !c.LogSyslog || c.LogSyslogTo != "unix:/dev/log" || c.LogSyslogFacility != "LOG_LOCAL3" ||
		c.Server.Traces.Endpoint != "http://collector:4318" || !slices.Equal(c.LoggerLevels, []string{"django.db=warning", "a=debug"}) || c.Server.Logs.Access.Format != "json" {
		t.Errorf("%+v", c)
	}
	if c := mustLoad(t, "", nil, "--request-id", "X-Amzn-Trace-Id"); c.Server.RequestID != "X-Amzn-Trace-Id" {
		t.Error(c.Server.RequestID)
	}
}

func TestLoggingSettingsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--request-id", "a b"}, {"--request-id", "X_Request_ID"}, {"--request-id", "Content-Length"}, {"--request-id", "traceparent"},
		{"--log-format", "xml"}, {"--log-syslog-to", "localhost"}, {"--log-syslog-facility", "local8"},
		{"--logger-level", "django"}, {"--logger-level", "=info"}, {"--logger-level", "a=loud"},
		{"--otlp-endpoint", "localhost:4317"}, {"--otlp-endpoint", "grpc://a"}, {"--otlp-endpoint", "http://user:password@a"},
	} {
		if _, err := load(t, "", nil, args...); err == nil || !strings.HasPrefix(err.Error(), args[0]) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
