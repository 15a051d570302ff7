// Package config holds the server's settings: one row for each in settings.go,
// of which the command line, the environment, the configuration file, --help,
// --print-config and docs/settings.md are all made.
package config

import (
	"io/fs"
	"slices"
	"time"
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

	// Bind are the addresses to listen on, in the form that
	// loop.ListenConfig.Addr takes.
	Bind    []string
	Backlog int
	// Umask is taken from the permissions 0777 of Unix sockets.
	Umask fs.FileMode
	// Loops is the number of event loops, 0 for the server's choice.
	Loops          int
	MaxConnections int
	// MaxConnectionsPerAddress is 0 for no limit.
	MaxConnectionsPerAddress int
	WriteTimeout             time.Duration
	BufferBudget             int64

	Workers int
	// WorkerClass is one of Models, or empty for a choice by application.
	WorkerClass string
	// Interface is "auto", "wsgi" or "asgi".
	Interface         string
	Threads           int
	WorkerConnections int
	MaxRequests       int
	MaxRequestsJitter int
	Timeout           time.Duration
	GracefulTimeout   time.Duration
	BootTimeout       time.Duration
	KeepAlive         time.Duration
	QueueSize         int
	Retry             string
	UpstreamMaxConns  int
	ResponseSpoolMax  int64
	AsgiLoop          string
	AsgiLifespan      string

	WebSocketMaxMessageSize       int64
	WSPingInterval, WSPingTimeout time.Duration // 0 for none
	// WebSocketCompression is "on", "takeover" or "off".
	WebSocketCompression string
	WebSocketLinger      time.Duration
	WebSocketConnections int

	// Networks are in CIDR notation, or "*" for all.
	ForwardedAllowIPs []string
	// ForwardedFields is "auto", "x-forwarded" or "forwarded".
	ForwardedFields string
	ForwardedHost   bool
	// SecureSchemeHeaders are NAME=VALUE.
	SecureSchemeHeaders []string
	ForwarderHeaders    []string
	// HeaderMap is "drop", "refuse" or "dangerous".
	HeaderMap string
	// ProxyProtocol is "off", "v1", "v2" or "auto".
	ProxyProtocol string
	ProxyAllowIPs []string
	// Protocol is "http" or "uwsgi", which leaves http in place.
	Protocol      string
	UwsgiAllowIPs []string

	// The limits are 0 where there is none.
	LimitRequests         Rate
	LimitExempt           []string
	LimitRequestLine      int64
	LimitRequestFields    int
	LimitRequestFieldSize int64
	LimitRequestHead      int64
	LimitResponseHead     int64
	MaxBodySize           int64
	HeaderTimeout         time.Duration
	BodyTimeout           time.Duration
	MinBodyRate           int64
	MinResponseRate       int64
	RateGrace             time.Duration

	Chdir      string
	Env        []string
	Python     string
	PythonPath []string
	RootPath   string

	// AccessLogfile is a path, "-", "none" or "auto".
	AccessLogfile   string
	AccessLogformat string
	ErrorLogfile    string
	LogLevel        string
	// LoggerLevels are LOGGER=LEVEL.
	LoggerLevels []string
	// LogFormat is "text" or "json".
	LogFormat string
	// CaptureOutput has what the application prints be logged.
	CaptureOutput bool
	LogSyslog     bool
	// LogSyslogTo and LogSyslogFacility are as package syslog parses them.
	LogSyslogTo, LogSyslogPrefix, LogSyslogFacility string
	DisableRedirectAccessToSyslog                   bool
	// RequestID is a field's name, empty for no ids.
	RequestID string
	// OTLPEndpoint is a URL, empty if the settings name none.
	OTLPEndpoint string

	// Certfiles and Keyfiles belong together by position. Keyfiles is empty
	// if the certificate files hold their keys.
	Certfiles, Keyfiles []string
	CACerts             string
	VerifyClient        string
	SSLVersion          string
	Ciphers             string
	// Protocols are "http", "https" or both; never empty after Load.
	Protocols        []string
	HandshakeTimeout time.Duration
	MaxHandshakes    int

	// HTTPProtocols are the versions spoken, of "h1", "h2" and "h3"; never empty
	// after Load.
	HTTPProtocols []string
	// HTTP2Cleartext is "off", "prior-knowledge", "upgrade" or "both".
	HTTP2Cleartext            string
	HTTP2MaxConcurrentStreams int
	HTTP2InitialWindowSize    int64
	HTTP2ConnectionWindowSize int64
	HTTP3InitialWindowSize    int64
	HTTP3ConnectionWindowSize int64
	HTTP2MaxFrameSize         int64
	HTTP3MaxConcurrentStreams int
	HTTP3EarlyData            bool

	// Mounts are applications and servers beside App.
	Mounts     []Mount
	mountSpecs []string

	// Static are folders to serve, as PREFIX=DIR.
	Static               []string
	StaticMaxAge         time.Duration
	StaticFallthrough    bool
	StaticFollowSymlinks bool
	StaticCacheSize      int64

	// ServerTiming tells clients how long the application took.
	ServerTiming bool

	// Compress are the content codings to offer, each perhaps with a level,
	// as compress.ParseCoding takes them.
	Compress          []string
	CompressMinLength int64
	// CompressTypes are media types; empty for those that gain by it.
	CompressTypes []string

	Status           bool
	DisableDashboard bool
	// The paths begin with a slash and do not end with one.
	StatusPath, LivePath, ReadyPath string
	StatusAllow, StatusHosts        []string
	// StatusToken is empty for one that is made at the start.
	StatusToken string
	AdminListen []string

	DisableMetrics bool
	MetricsPath    string
	// StatsdHost is HOST:PORT or unix:PATH; empty for no StatsD.
	StatsdHost, StatsdPrefix string
	// DogstatsdTags are separated by commas.
	DogstatsdTags string

	// Warnings are mistakes that do not keep the server from starting, in
	// words for the log.
	Warnings []string

	dir     string // what relative paths in Chdir and File are relative to
	origins map[string]Origin
}

// Origin says where a setting's value came from.
type Origin struct {
	// Layer is the kind of source.
	Layer Layer
	// Name is the flag, the environment variable or the file and its key.
	Name string
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
var Models = []string{"sync", "gthread", "gevent", "asgi", "tornado", "gtornado"}

// Speaks tells whether a version of HTTP, "h1", "h2" or "h3", is spoken.
func (c *Config) Speaks(version string) bool {
	return slices.Contains(c.HTTPProtocols, version)
}

// Serves tells whether scheme, "http" or "https", is to be spoken on the
// server's ports.
func (c *Config) Serves(scheme string) bool {
	return slices.Contains(c.Protocols, scheme)
}
