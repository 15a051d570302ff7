package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http2"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/logging"
	"github.com/asteri/asteri-loop/internal/syslog"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers/python"
	"github.com/asteri/asteri-loop/workers/websocket"
)

// none translates "0 is none", as users say it, into the spelling of the packages, where 0
// is the default and a negative number none.
func none[T int | int64 | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// listed is a list of which an empty one is none, and not the default.
func listed(list []string) []string { return append([]string{}, list...) }

func wordOr(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}

// settings are those of a server, for what the user has said.
func (p *program) settings(cfg *config.Config) (server.Config, error) {
	c := server.Config{
		Version: version,
		Listen:  server.Listen{Addresses: cfg.Bind, Schemes: cfg.Protocols, Backlog: cfg.Backlog, Mode: os.ModePerm &^ cfg.Umask},
		TLS: server.TLS{
			CertFiles: cfg.Certfiles, KeyFiles: cfg.Keyfiles, CAFile: cfg.CACerts,
			VerifyClient: cfg.VerifyClient, MinVersion: cfg.SSLVersion, Ciphers: cfg.Ciphers,
		},
		HTTP:        httpSettings(cfg),
		Engine:      engineSettings(cfg),
		NoKeepAlive: cfg.KeepAlive == 0,
		Rate:        server.Rate{Requests: cfg.LimitRequests.Requests, Per: cfg.LimitRequests.Per, Burst: cfg.LimitRequests.Burst, Exempt: cfg.LimitExempt},
		Proxies:     proxySettings(cfg),
		Static: server.Static{
			MaxAge: cfg.StaticMaxAge, Fallthrough: cfg.StaticFallthrough, FollowSymlinks: cfg.StaticFollowSymlinks, CacheSize: cfg.StaticCacheSize,
		},
		Compression:  server.Compression{Codings: cfg.Compress, MinLength: none(cfg.CompressMinLength), Types: cfg.CompressTypes},
		ServerTiming: cfg.ServerTiming,
		RequestID:    wordOr(cfg.RequestID, "off"),
		Logs:         p.logSettings(cfg),
		Status:       p.statusSettings(cfg),
		Metrics:      server.Metrics{Path: cfg.MetricsPath, StatsD: cfg.StatsdHost, StatsDPrefix: cfg.StatsdPrefix, StatsDTags: cfg.DogstatsdTags},
		Traces:       server.Traces{Endpoint: cfg.OTLPEndpoint},
	}
	if cfg.DisableMetrics {
		c.Metrics.Path = "off"
	}
	c.Limits, c.Timeouts = clientLimits(cfg)
	for _, spec := range cfg.Static {
		prefix, dir, _ := strings.Cut(spec, "=") // Load has checked it
		c.Static.Folders = append(c.Static.Folders, server.Folder{Prefix: prefix, Dir: dir})
	}
	return c, p.addApplications(&c, cfg)
}

func clientLimits(cfg *config.Config) (asteri.Limits, asteri.Timeouts) {
	return asteri.Limits{
			RequestLine: none(int(cfg.LimitRequestLine)),
			Fields:      none(cfg.LimitRequestFields),
			FieldSize:   none(int(cfg.LimitRequestFieldSize)),
			Head:        none(int(cfg.LimitRequestHead)),
			Body:        none(cfg.MaxBodySize),
		}, asteri.Timeouts{
			Header:       none(cfg.HeaderTimeout),
			Body:         none(cfg.BodyTimeout),
			BodyRate:     none(int(cfg.MinBodyRate)),
			ResponseRate: none(int(cfg.MinResponseRate)),
			RateGrace:    cfg.RateGrace,
			KeepAlive:    cfg.KeepAlive, // for 0: the default, in which the first request must come
		}
}

func engineSettings(cfg *config.Config) loop.Config {
	return loop.Config{
		Loops: cfg.Loops, WriteTimeout: cfg.WriteTimeout, MinWriteRate: none(int(cfg.MinResponseRate)), WriteGrace: cfg.RateGrace,
		HandshakeTimeout: cfg.HandshakeTimeout, MaxHandshakes: cfg.MaxHandshakes, GracefulTimeout: cfg.GracefulTimeout,
		BufferBudget: cfg.BufferBudget, MaxConnections: cfg.MaxConnections, MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress,
	}
}

func httpSettings(cfg *config.Config) server.HTTP {
	return server.HTTP{
		Versions: cfg.HTTPProtocols, Cleartext: cfg.HTTP2Cleartext,
		H2: http2.Config{
			MaxConcurrentStreams: cfg.HTTP2MaxConcurrentStreams, InitialWindow: int(cfg.HTTP2InitialWindowSize),
			ConnectionWindow: int(cfg.HTTP2ConnectionWindowSize), MaxFrameSize: int(cfg.HTTP2MaxFrameSize),
		},
		H3: http3.Config{
			MaxConcurrentStreams: cfg.HTTP3MaxConcurrentStreams, StreamWindow: int(cfg.HTTP3InitialWindowSize),
			ConnectionWindow: int(cfg.HTTP3ConnectionWindowSize), NoEarlyData: !cfg.HTTP3EarlyData,
		},
	}
}

func proxySettings(cfg *config.Config) server.Proxies {
	p := server.Proxies{
		Trusted: listed(cfg.ForwardedAllowIPs), Fields: cfg.ForwardedFields, Host: cfg.ForwardedHost,
		SecureSchemes: make([]server.SecureScheme, len(cfg.SecureSchemeHeaders)),
		Forwarders:    listed(cfg.ForwarderHeaders), Underscores: cfg.HeaderMap,
		ProxyProtocol: cfg.ProxyProtocol, ProxyProtocolFrom: listed(cfg.ProxyAllowIPs),
		Uwsgi: cfg.Protocol == "uwsgi", UwsgiFrom: listed(cfg.UwsgiAllowIPs),
	}
	if cfg.HeaderMap == "dangerous" {
		p.Underscores = "pass"
	}
	for i, s := range cfg.SecureSchemeHeaders {
		p.SecureSchemes[i].Name, p.SecureSchemes[i].Secure, _ = strings.Cut(s, "=") // Load has checked it
	}
	return p
}

func (p *program) logSettings(cfg *config.Config) server.Logs {
	l := server.Logs{
		Logger: p.logs.Logger, Recent: p.logs.recent, Lost: p.logs.lost,
		Reopen: func() error { return p.logs.reopen(p.live.Load()) },
		Access: server.AccessLog{Path: accessPath(cfg), Format: cfg.AccessLogformat},
	}
	if cfg.LogSyslog && !cfg.DisableRedirectAccessToSyslog {
		l.Access.Further = syslogWriter(cfg, "access", syslog.Info)
	}
	return l
}

func (p *program) statusSettings(cfg *config.Config) server.Status {
	return server.Status{
		Off: !cfg.Status, NoDashboard: cfg.DisableDashboard,
		Path: cfg.StatusPath, LivePath: cfg.LivePath, ReadyPath: cfg.ReadyPath,
		Allow: cfg.StatusAllow, Hosts: cfg.StatusHosts, Token: p.token, Listen: cfg.AdminListen,
		Settings: p.configuration, Reload: p.signals.reload,
	}
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
		c.App.Python = pythonSettings(cfg)
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
			to.Upstream = &server.Upstream{
				URL: own.App, Timeout: none(own.Timeout), MaxConns: own.UpstreamMaxConns, QueueSize: own.QueueSize, MaxHead: own.LimitResponseHead,
			}
		} else {
			to.Python, to.WholePath = pythonSettings(own), own.RootPath == ""
		}
		c.Mounts = append(c.Mounts, to)
	}
	return nil
}

func pythonSettings(cfg *config.Config) *python.Config {
	c := &python.Config{
		App: cfg.App, Model: cfg.WorkerClass, Interface: cfg.Interface,
		Workers: cfg.Workers, Threads: cfg.Threads, WorkerConnections: cfg.WorkerConnections, WebSocketConnections: cfg.WebSocketConnections,
		MaxRequests: cfg.MaxRequests, MaxRequestsJitter: cfg.MaxRequestsJitter,
		Timeout: none(cfg.Timeout), BootTimeout: cfg.BootTimeout, QueueSize: cfg.QueueSize, NoRetry: cfg.Retry == "off",
		Interpreter: interpreter(cfg.Python), Chdir: cfg.Chdir, PythonPath: cfg.PythonPath, Env: cfg.Env, RootPath: cfg.RootPath,
		UnderscoreFields: cfg.HeaderMap == "dangerous", Lifespan: cfg.AsgiLifespan, Loop: cfg.AsgiLoop,
		ResponseHead: int(cfg.LimitResponseHead), ResponseSpoolMax: none(cfg.ResponseSpoolMax),
		KeepOutput: !cfg.CaptureOutput, WebSocket: websocketSettings(cfg),
	}
	if level, err := logging.Level(cfg.LogLevel); err == nil { // Load has checked it
		c.LogLevel = level
	}
	return c
}

// websocketSettings are those of WebSockets, for Go and Python applications.
func websocketSettings(cfg *config.Config) websocket.Options {
	o := websocket.Options{
		MaxMessageSize: int(cfg.WebSocketMaxMessageSize), PingInterval: none(cfg.WSPingInterval), PingTimeout: none(cfg.WSPingTimeout),
		Linger: cfg.WebSocketLinger, Grace: cfg.GracefulTimeout,
	}
	switch cfg.WebSocketCompression {
	case "off":
		o.Compression = websocket.CompressionOff
	case "takeover":
		o.Compression = websocket.CompressionTakeover
	}
	return o
}

// interpreter finds the Python of a virtual environment.
func interpreter(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, "bin", "python")
	}
	return path
}
