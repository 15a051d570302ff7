package server

import (
	"cmp"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http2"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python"
)

// Config says what a Server serves, to whom and how. One rule holds for all of it, and for
// the settings of other packages in it: zero is the default that the comment names; none,
// where there can be none, is a negative number, the word "off", or a list that is empty
// and not nil.
//
// A Server keeps what a Config refers to; it is not to be changed any more.
type Config struct {
	// Name and Version are how the server names itself, on the status page and to
	// applications. Defaults "asteri-loop", and no version.
	Name, Version string

	// App answers what is for none of Mounts: 404 if it is empty.
	App App
	// Mounts are applications at hosts and paths of their own.
	Mounts []Mount
	// StrictStart has Ready fail if one of several Python applications cannot be started.
	// Without it that one answers 503 and is tried again, while others serve.
	StrictStart bool

	Listen Listen
	TLS    TLS
	HTTP   HTTP
	// Engine are the settings of connections. Without Loops, and with a Python
	// application, it is Adaptive; without OnPressure the collector runs more often
	// while memory is short; without OnBusy the process is scheduled as Scheduling says. GracefulTimeout is for the applications too; MinWriteRate and
	// WriteGrace are by default those of Timeouts' responses. Proxies and
	// Rate.Exempt are exempt beside those that Exempt names. Its Logger is Logs.Logger.
	Engine loop.Config

	// Inherited is what the process has given in whose place this server comes. It accepts
	// nothing until Take. Default: there was none.
	Inherited *Inheritance

	// Scheduling is how the system is to share processors between this process and
	// others: auto, normal, or batch, with which threads that are woken wait for their
	// turn in place of interrupting others (SCHED_BATCH, Linux alone). Default auto:
	// batch while there is much to do for many connections. It concerns all threads of
	// the process and never the workers.
	Scheduling string

	// DrainDelay is how long a server that is to stop serves on as one that is not ready
	// (Server.Withdraw). Default: not at all.
	DrainDelay time.Duration

	Limits   asteri.Limits
	Timeouts asteri.Timeouts
	// NoKeepAlive has connections closed once what was asked for is answered.
	NoKeepAlive bool
	// Rate is how many requests a client may send. Default: any number.
	Rate    Rate
	Proxies Proxies

	Static      Static
	Compression Compression
	// ServerTiming tells clients how long the application took.
	ServerTiming bool

	// RequestID is the field that holds a request's id, for the application and in the
	// response. Default X-Request-ID; off for no ids.
	RequestID string
	Logs      Logs
	Status    Status
	Control   Control
	Metrics   Metrics
	Traces    Traces

	// Development is for who writes the applications. Default: nothing of it.
	Development Development
}

// Listen says where.
type Listen struct {
	// Addresses are HOST:PORT, :PORT (every address), [IPV6]:PORT, unix:PATH or fd://N
	// for an inherited socket. Default 127.0.0.1:8000.
	Addresses []string
	// Schemes are "http", "https" or both, on each address: the first byte of a
	// connection tells. With https alone, clients of http are sent there. Default https
	// if TLS has certificates, else http.
	Schemes []string
	// Packets are UDP sockets that are open already, of the same port as an address: for
	// HTTP/3 there. The server closes those that it uses.
	Packets []*net.UDPConn
	// Backlog and Mode are as in loop.ListenConfig.
	Backlog int
	Mode    os.FileMode
}

// HTTP says which versions are spoken.
type HTTP struct {
	// Versions are of "h1", "h2" and "h3", which needs https. Default h1 and h2, and h3
	// if TLS has certificates and no PROXY headers are taken.
	Versions []string
	// H2 and H3 are those of each version. Of H3 the server sets Addr, Socket and TLS;
	// without StallTimeout both have Engine.WriteTimeout.
	H2 http2.Config
	H3 http3.Config
}

// Rate is a limit on the requests of each client: an IPv4 address, or the /64 network of
// an IPv6 one. Those beyond it are answered 429.
type Rate struct {
	// Requests in the time Per are let through in the long run. Per is at least a
	// second, by default one.
	Requests int
	Per      time.Duration
	// Burst is how many may come at once. Default Requests.
	Burst int
	// Exempt are addresses and networks that have no limit, here and in
	// Engine.MaxConnectionsPerAddress. "*" is everybody.
	Exempt []string
}

// App is an application: one of its fields, or none of them.
type App struct {
	// Handler answers in this process. One that is an Application is waited for and
	// closed; it may have more to tell: Describer, Reporter, Staff, prometheus.Gatherer.
	Handler asteri.Handler
	// Python has worker processes answer. Logger, ServerSoftware, RequestIDField and
	// GracefulTimeout are the server's unless they are given.
	Python *python.Config
	// Upstream passes requests on to another server.
	Upstream *Upstream
}

func (a *App) isEmpty() bool { return a.kinds() == 0 }

func (a *App) kinds() (n int) {
	for _, given := range []bool{a.Handler != nil, a.Python != nil, a.Upstream != nil} {
		if given {
			n++
		}
	}
	return n
}

// Mount is an application at a host and a path.
type Mount struct {
	// Host is a name without a port; *.example.com stands for all names below
	// example.com. Empty is every host.
	Host string
	// Path stands for itself and for what follows it after a slash. The longest path
	// that fits decides. A Python application is told by RootPath that it is there.
	Path string
	// WholePath leaves RootPath as App.Python has it.
	WholePath bool
	App
}

// At returns host and path, as logs and the status page name them.
func (m *Mount) At() string { return m.Host + cmp.Or(m.prefix(), "/") }

func (m *Mount) prefix() string { return strings.TrimRight(m.Path, "/") }

const defaultGrace = 30 * time.Second

// withDefaults fills in what the server itself decides; the parts know their own.
func (c Config) withDefaults() Config {
	c.Name = cmp.Or(c.Name, "asteri-loop")
	c.Engine.GracefulTimeout = cmp.Or(c.Engine.GracefulTimeout, defaultGrace)
	c.Engine.BufferBudget = cmp.Or(c.Engine.BufferBudget, 1<<30)
	c.Engine.MinWriteRate = cmp.Or(c.Engine.MinWriteRate, c.Timeouts.ResponseRate)
	c.Engine.WriteGrace = cmp.Or(c.Engine.WriteGrace, c.Timeouts.RateGrace)
	if len(c.Listen.Addresses) == 0 {
		c.Listen.Addresses = []string{"127.0.0.1:8000"}
	}
	if len(c.Listen.Schemes) == 0 {
		c.Listen.Schemes = []string{"http"}
		if c.TLS.hasCertificates() {
			c.Listen.Schemes = []string{"https"}
		}
	}
	if len(c.HTTP.Versions) == 0 {
		c.HTTP.Versions = []string{"h1", "h2"}
		// Clients do not take HTTP/3 from a server whose certificate they do not know.
		if c.TLS.hasCertificates() && c.Proxies.proxyProtocol() == loop.ProxyOff {
			c.HTTP.Versions = append(c.HTTP.Versions, "h3")
		}
	}
	c.HTTP.H2.StallTimeout = cmp.Or(c.HTTP.H2.StallTimeout, c.Engine.WriteTimeout)
	c.HTTP.H3.StallTimeout = cmp.Or(c.HTTP.H3.StallTimeout, c.Engine.WriteTimeout)
	c.HTTP.H3.HandshakeTimeout = cmp.Or(c.HTTP.H3.HandshakeTimeout, c.Engine.HandshakeTimeout)
	c.Scheduling = cmp.Or(c.Scheduling, schedulingAuto)
	c.Rate.Per = cmp.Or(c.Rate.Per, time.Second)
	c.Rate.Burst = cmp.Or(c.Rate.Burst, c.Rate.Requests)
	c.RequestID = word(c.RequestID, "X-Request-ID")
	c.Proxies = c.Proxies.withDefaults()
	c.Logs = c.Logs.withDefaults()
	if c.Metrics.Path = cmp.Or(c.Metrics.Path, "/metrics"); c.Metrics.Off {
		c.Metrics.Path = ""
	}
	return c
}

// off is how a word says none.
const off = "off"

// word returns the word that is meant; empty for none.
func word(given, otherwise string) string {
	if given == off {
		return ""
	}
	return cmp.Or(given, otherwise)
}

// software is how the server names itself to applications.
func (c *Config) software() string {
	if c.Version == "" {
		return c.Name
	}
	return c.Name + "/" + c.Version
}

func (c *Config) speaks(version string) bool { return slices.Contains(c.HTTP.Versions, version) }
func (c *Config) serves(scheme string) bool  { return slices.Contains(c.Listen.Schemes, scheme) }

// servesPython tells whether workers need processors beside the loops.
func (c *Config) servesPython() bool {
	return c.App.Python != nil || slices.ContainsFunc(c.Mounts, func(m Mount) bool { return m.Python != nil })
}
