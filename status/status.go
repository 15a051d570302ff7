// Package status answers questions about the server itself, in front of the
// application and on the event loop: a busy or stuck application cannot keep
// them waiting. What takes time to find out is gathered by goroutines of its own,
// few at a time.
package status

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/stats"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// The paths, matched exactly, unless Options have others.
const (
	DefaultPath      = "/asteri-status"
	DefaultLivePath  = "/livez"
	DefaultReadyPath = "/readyz"
)

// Options say what there is to tell, and to whom.
type Options struct {
	// Path is that of the page, and begins those of all that belongs to it:
	// PATH.json, PATH/events and so on. LivePath and ReadyPath are for probes.
	// Empty stands for the default.
	Path, LivePath, ReadyPath string
	// NoDashboard leaves Path and what is below it to the application.
	NoDashboard bool
	// Unseen leaves all paths to the application: what there is to tell is told by
	// Document and Stack alone.
	Unseen bool
	// Token opens everything to who has it. It must be hard to guess; without
	// one no token does.
	Token string
	// Allow are networks whose clients may look, beside this machine's.
	Allow []netip.Prefix
	// Hosts are names by which clients may ask for the server, beside
	// localhost and addresses, to which no token needs to be shown.
	Hosts []string

	// Ready returns why the server should get no traffic now, or nil. It is
	// called on the event loop and must not block. Without it the server is
	// always ready.
	Ready func() error
	// Report returns the parts of the document that this package does not
	// gather itself. It is called on goroutines, one at a time.
	Report func() Report
	// Configuration returns the settings, secrets masked. Called as Report.
	Configuration func() []Setting
	// Control does what an operator asks for; nil for nothing.
	Control Control
	// Homes are the loops to show, by their number.
	Homes []asteri.Executor
	// Log is the log to show; nil for none.
	Log *Log
	// MetricsPath is where Prometheus finds metrics; empty for nowhere.
	MetricsPath string
	// Measures returns what the metrics say beside the document. It is called on
	// goroutines, several at a time.
	Measures func() Measures
	// Metrics are further metrics to show at MetricsPath, such as those of
	// applications: a prometheus.Registry, a python.Pool, or prometheus.Gatherers of
	// several. A name of the server's own is refused. Gather is called on goroutines.
	Metrics prometheus.Gatherer
	// Logger is told of what was asked for; nil for nobody.
	Logger *slog.Logger
}

// Control is what an operator may do: on the page, or by the control socket. The methods
// are called on goroutines. app names one application, as AppError says; empty is all.
type Control interface {
	// Reload begins what SIGHUP does. How it ends comes by the channel, which nobody has
	// to read; while the server stops, nothing may come any more.
	Reload(app string) (outcome <-chan error)
	// Scale adds delta workers, and Resize has there be a number of them. One stays of
	// each application. They return how many there are to be now.
	Scale(app string, delta int) ([]Staffing, error)
	Resize(app string, workers int) ([]Staffing, error)
	// Restart puts another worker in the place of the one with a process id,
	// which serves on until then and finishes what it has. It returns an error
	// if there is no such worker.
	Restart(pid int) error
	// Kill ends a worker at once. Its requests fare as those of one that has died.
	Kill(pid int) error
	// Stacks returns, by the names of its threads, where a worker's process is.
	// The server's own process is one too. It gives up when ctx is done.
	Stacks(ctx context.Context, pid int) (map[string]string, error)
	// Upgrade has a new process take the place of this one, and returns its process id
	// when it serves. This one then begins its end.
	Upgrade(ctx context.Context) (pid int, err error)
	// Stop begins the end, in which what runs finishes. With drain the server serves on
	// first for as long as it takes others to hear that it is not ready.
	Stop(drain bool) error
	// LogLevel sets the level of the log, unless it is empty, and returns it.
	LogLevel(level string) (string, error)
}

// Staffing is how many workers an application is to have.
type Staffing struct {
	// App is where it is mounted, "/" if it is at no mount.
	App     string `json:"app"`
	Workers int    `json:"workers"`
}

// AppError is the error for a name that is not that of one application: where it is
// mounted, "/" for the one at no mount, or what is served there if that is there once.
type AppError struct {
	Name string
	// Known are the names that there are.
	Known []string
}

// Error names the applications that there are.
func (e *AppError) Error() string {
	return fmt.Sprintf("no application is called %q; there are %s", e.Name, strings.Join(e.Known, ", "))
}

// Monitor is the status of one server. It is an asteri.Observer, which has to be told
// of all exchanges: otherwise requests seem to be in flight for ever.
type Monitor struct {
	opts     Options
	counts   *stats.Exchanges
	keys     *keys
	attempts attempts
	routes   map[string]route
	lengths  uint64 // bits of the lengths of routes' paths
	prefix   string // begins the paths below the page
	flights  flights
	loops    probes
	usage    usage
	samples  *sampler
	work     *jobs.Pool // what loops must not wait for
	stacks   *jobs.Pool // what may take seconds
	events   *listeners
	tails    *listeners
	// requests are in the access log's words.
	requests *requestLog

	gathering sync.Mutex
	last      *snapshot

	metrics *metrics // nil without a path for them
	// Of the process before this one, and the one behind it: see succession.go.
	inherited atomic.Pointer[told]
	successor atomic.Pointer[func(totals []byte) ([]byte, error)]
}

// New starts what gathers. It runs until Close.
func New(o Options) *Monitor {
	o.fill()
	counts := stats.New()
	s := &Monitor{
		opts: o, counts: counts, keys: newKeys(o.Token), prefix: o.Path + "/",
		work: jobs.NewPool(2), stacks: jobs.NewPool(2),
		samples: newSampler(counts), flights: newFlights(),
	}
	s.requests = newRequestLog(s.redact)
	s.loops.homes = o.Homes
	s.attempts.start = time.Now()
	s.events = newListeners(eventPeriod, s.publish)
	s.tails = newListeners(tailPeriod, s.publishLog)
	s.routes = s.table()
	for path := range s.routes {
		s.lengths |= lengthBit(len(path))
	}
	s.samples.start(&s.flights)
	return s
}

func (o *Options) fill() {
	fallback := func(at *string, value string) {
		if *at == "" {
			*at = value
		}
	}
	fallback(&o.Path, DefaultPath)
	fallback(&o.LivePath, DefaultLivePath)
	fallback(&o.ReadyPath, DefaultReadyPath)
	o.NoDashboard = o.NoDashboard || o.Unseen
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Report == nil {
		o.Report = func() Report { return Report{} }
	}
	if o.Measures == nil {
		o.Measures = func() Measures { return Measures{} }
	}
	if o.Configuration == nil {
		o.Configuration = func() []Setting { return nil }
	}
	if o.Log == nil {
		o.Log = NewLog()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// EndStreams ends the streams of events, which would hold up a graceful stop.
// Clients come back by themselves, perhaps to the next server.
func (s *Monitor) EndStreams() {
	s.events.end()
	s.tails.end()
}

// Close ends what New started, and the streams.
func (s *Monitor) Close() {
	s.EndStreams()
	s.samples.stop()
}

// ExchangeDone implements asteri.Observer.
func (s *Monitor) ExchangeDone(r *asteri.Record) {
	s.counts.ExchangeDone(r)
	s.requests.add(r)
	s.flights.end(r)
}

// Handler answers the server's own paths and leaves everything else to next.
// Clients that may not look get 403 for the page's paths, and next answers the others.
func (s *Monitor) Handler(next asteri.Handler) asteri.Handler { return &front{s, next} }

// Admin answers the server's own paths, and shows everything. It is for a listener
// that only those can reach who may see and do everything.
func (s *Monitor) Admin() asteri.Handler { return asteri.HandlerFunc(s.serveAdmin) }
