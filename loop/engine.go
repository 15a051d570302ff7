package loop

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// Engine is a set of event loops and the listeners whose connections they serve.
type Engine struct {
	cfg    Config
	loops  []*Loop
	budget *Budget
	files  *jobs.Pool
	shakes *handshakes

	clients    *clients // nil without a limit
	refused    refusals
	shed       shedCounts
	makingRoom atomic.Bool  // for new connections
	roomFrom   atomic.Int64 // loops that have not looked yet
	pressure   atomic.Bool  // memory is short
	paused     atomic.Bool  // nothing is accepted
	bequeathed atomic.Bool  // by this process any more
	pressureMu sync.Mutex
	busy       atomic.Bool // as OnBusy is told
	busyMu     sync.Mutex
	handshakes handshakeCounts

	active    atomic.Int32 // loops that get new connections: the first so many
	open      atomic.Int64 // accepted connections on all loops
	startOnce sync.Once
	started   atomic.Bool
	release   func() // of the clock of deadlines
	loopsDone sync.WaitGroup

	mu        sync.Mutex
	listeners []*Listener
	services  []Service
	stopping  bool

	closeOnce sync.Once
	closed    chan struct{} // closed when Close is called
	closeErr  error
}

// ErrStopped is returned by calls on an engine that is draining or closed, and by
// Run if Close has ended it.
var ErrStopped = errors.New("loop: engine is stopped")

// New makes an engine. Its loops run from Start or Run on.
func New(cfg Config) (*Engine, error) {
	// The runtime makes the poller behind its timers when it needs the first
	// one, and ends the process if there is no descriptor left for it.
	time.AfterFunc(time.Hour, func() {}).Stop()
	e := &Engine{cfg: cfg.withDefaults(), closed: make(chan struct{})}
	descriptors.Reserve(0) // so that what is open now is known not to be a client's
	e.budget = newBudget(e.cfg.BufferBudget)
	e.files = jobs.NewPool(fileWorkers)
	e.shakes = newHandshakes(e.cfg.MaxHandshakes)
	e.clients = newClients(e.cfg.MaxConnectionsPerAddress, e.cfg.Exempt)
	for id := range e.cfg.Loops {
		l, err := newLoop(id, e)
		if err != nil {
			for _, l := range e.loops {
				l.poll.Close()
			}
			return nil, err
		}
		e.loops = append(e.loops, l)
	}
	e.active.Store(int32(len(e.loops)))
	if e.cfg.Adaptive {
		e.active.Store(1)
	}
	return e, nil
}

// Loops returns the engine's loops.
func (e *Engine) Loops() []*Loop { return e.loops }

// Active returns how many loops, the first ones, get new connections.
func (e *Engine) Active() int { return int(e.active.Load()) }

// Budget returns the count of buffer memory. Sessions and handlers that buffer
// on a client's behalf add to it.
func (e *Engine) Budget() *Budget { return e.budget }

// Start starts the loops. Run does so too; Start is for those who give the loops
// work before. Calls after the first do nothing: an engine that was closed does not
// start again. It may be called from any goroutine.
func (e *Engine) Start() {
	e.startOnce.Do(func() {
		e.started.Store(true)
		e.release = awake.Keep()
		e.loopsDone.Add(len(e.loops))
		for _, l := range e.loops {
			go l.run()
		}
	})
}

// Stats are counts of an engine at one moment.
type Stats struct {
	// Active is the number of loops that get new connections.
	Active int
	// Loops has one entry for each loop.
	Loops []LoopStats
	// Protocols counts open accepted connections by what they speak.
	Protocols []ProtocolStats
	// Handshakes is the number of unfinished TLS handshakes, Handshaken counts
	// those that have ended.
	Handshakes int
	Handshaken []HandshakeStats
	// BufferBytes is the memory that buffers use.
	BufferBytes int64
	// Overload is how much of the buffer memory is used: 0 calm, 1 tight (what
	// need not grow does not), 2 over (the greatest holders are given up).
	Overload int
	// ShedForMemory and ShedIdle count the connections that were given up, for
	// lack of memory and to make room for new ones.
	ShedForMemory, ShedIdle uint64
	// Refused counts connections that were closed before a protocol had
	// them, by reason, since the start. It is nil if there were none.
	Refused map[string]uint64
}

// LoopStats are counts of one loop.
type LoopStats struct {
	// Connections is the number of open accepted connections.
	Connections int64
	// Accepted counts connections since the start.
	Accepted uint64
	// Ticks counts rounds of the loop since the start.
	Ticks uint64
	// Panics counts panics that sessions raised.
	Panics uint64
}

// Stats returns the counts. It may be called from any goroutine.
func (e *Engine) Stats() Stats {
	s := Stats{
		Active: e.Active(), Protocols: e.byProtocol(), Handshakes: e.shakes.count(), Handshaken: e.handshakes.all(),
		BufferBytes: e.budget.used(), Overload: e.budget.level(), ShedForMemory: e.shed.memory.Load(), ShedIdle: e.shed.idle.Load(),
		Refused: e.refused.byName(),
	}
	for _, l := range e.loops {
		s.Loops = append(s.Loops, LoopStats{
			Connections: l.stats.connections.Load(),
			Accepted:    l.stats.accepted.Load(),
			Ticks:       l.stats.ticks.Load(),
			Panics:      l.stats.panics.Load(),
		})
	}
	return s
}

// leastLoaded returns the loop among the active ones with the fewest
// connections.
func (e *Engine) leastLoaded() *Loop {
	best := e.loops[0]
	for _, l := range e.loops[1:e.active.Load()] {
		if l.stats.connections.Load() < best.stats.connections.Load() {
			best = l
		}
	}
	return best
}
