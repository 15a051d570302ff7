package config

import (
	"errors"
	"net"
	"strings"
)

// metricsSettings are those of what is counted.
var metricsSettings = []*setting{
	{
		Name: "disable_metrics", Flags: []string{"disable-metrics"}, Group: groupMetrics,
		Help: "Leave the path of the metrics to the application. So does --status off.",
		at:   func(c *Config) value { return boolean(&c.Server.Metrics.Off) },
	}, {
		Name: "metrics_path", Flags: []string{"metrics-path"}, Group: groupMetrics, Meta: "PATH", Default: "/metrics",
		Help: "Where Prometheus finds metrics. Who may see health and counters (--status-allow, the token) may see them; for all others the path is the application's.",
		at:   func(c *Config) value { return text(&c.Server.Metrics.Path, ownPath) },
	}, {
		Name: "statsd_host", Flags: []string{"statsd-host"}, Group: groupMetrics, Meta: "ADDRESS",
		Help: "Send gunicorn's metrics to a StatsD server: HOST:PORT (by UDP) or unix:PATH. Without a port it is 8125.",
		at:   func(c *Config) value { return text(&c.Server.Metrics.StatsD, statsdAddress) },
	}, {
		Name: "statsd_prefix", Flags: []string{"statsd-prefix"}, Group: groupMetrics, Meta: "PREFIX",
		Help: "Begin the names of these metrics with PREFIX and a dot.",
		at:   func(c *Config) value { return text(&c.Server.Metrics.StatsDPrefix, statsdWord) },
	}, {
		Name: "dogstatsd_tags", Flags: []string{"dogstatsd-tags"}, Group: groupMetrics, Meta: "TAGS",
		Help: "Add these tags of DogStatsD to all of them, separated by commas: env:production,team:web.",
		at:   func(c *Config) value { return text(&c.Server.Metrics.StatsDTags, statsdWord) },
	},
}

const statsdPort = "8125"

// statsdAddress brings the address of a StatsD server into the form HOST:PORT or
// unix:PATH.
func statsdAddress(s string) (string, error) {
	if s == "" {
		return s, nil
	}
	bad := errors.New("must be HOST:PORT or unix:PATH")
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path = strings.TrimPrefix(path, "//"); path == "" {
			return "", bad
		}
		return "unix:" + path, nil
	}
	s = strings.TrimPrefix(s, "udp://")
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), statsdPort
	}
	if host == "" || !isNumber(port) || strings.Contains(host, "/") {
		return "", bad
	}
	return net.JoinHostPort(host, port), nil
}

// statsdWord is text that may stand in a line of StatsD's protocol.
func statsdWord(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '|' || r == '#' }) {
		return "", errors.New("must be ASCII without spaces, | and #")
	}
	return s, nil
}
