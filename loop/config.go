package loop

import (
	"cmp"
	"log/slog"
	"net/netip"
	"runtime"
	"time"
)

// Config are the settings of an Engine. The zero value is a good one.
type Config struct {
	// Loops is the number of event loops. Default: one per core
	// (GOMAXPROCS).
	Loops int
	// Adaptive keeps as few loops active as the load needs, for servers
	// whose work is done by other processes on the same cores: connections
	// go to one loop until it is saturated, then to a second, and so on.
	Adaptive bool
	// WriteTimeout is how long a peer may take no byte of what waits for it.
	// Default 30 s; negative: for ever.
	WriteTimeout time.Duration
	// MinWriteRate is how many bytes a second a peer must take while some wait for
	// it, on average over at least WriteGrace. Default 240; negative: no such limit.
	MinWriteRate int
	// WriteGrace is the shortest time over which that is judged. Default 5 s.
	WriteGrace time.Duration
	// IdleTimeout is how long an accepted connection may be idle: nothing comes or
	// goes, and the session has set no timer. It ends then with IdleExpired. It does
	// not concern sessions that are Watchful or Unhurried. Default 10 min; negative:
	// for ever.
	IdleTimeout time.Duration
	// MaxQueued bounds the output that an accepted connection keeps in memory for
	// a peer that does not take it, in bytes; what waits in files does not count. A
	// Write that finds as many queued ends the connection with QueueFull, so a single
	// one may be larger. At least 1 MiB; less is taken for that. Default: an eighth
	// of BufferBudget.
	MaxQueued int
	// HandshakeTimeout is how long a TLS handshake, or the first bytes by
	// which the protocol is recognized, may take. Default 10 s, also for what is
	// negative.
	HandshakeTimeout time.Duration
	// MaxHandshakes bounds unfinished TLS handshakes, waiting ones included;
	// one client, an IPv4 address or the /64 network of an IPv6 address, may have
	// a quarter of them, and clients at Unix sockets all. Those beyond are closed.
	// Default 4096.
	MaxHandshakes int
	// GracefulTimeout is how long Drain, and Run after its context is done, wait
	// for connections to finish. Default 30 s; negative: not at all.
	GracefulTimeout time.Duration
	// BufferBudget bounds the bytes of memory that are held for all clients
	// together. From nine tenths on, those who hold the most are given up.
	// Default 1 GiB.
	BufferBudget int64
	// OnPressure, if not nil, is told when more than seven tenths of BufferBudget
	// are used, and when it is less than half again: a good time to have the
	// collector run more often, and less. held is how many bytes that is. It is
	// called on a goroutine of its own.
	OnPressure func(high bool, held int64)
	// OnBusy, if not nil, is told when many connections are open and the process uses
	// more than a quarter of a processor, and when no more: it is then worth more to do
	// much at a time than to do the next thing at once. It is called on a goroutine of
	// its own.
	OnBusy func(busy bool)
	// MaxConnections bounds accepted connections. Near it, those that have been
	// idle for the longest make room; beyond it new ones are closed at once.
	// Default: none but the system's.
	MaxConnections int
	// MaxConnectionsPerAddress bounds the accepted connections of one client:
	// an IPv4 address, or the /64 network of an IPv6 one. Those beyond are
	// closed at once. Default: none.
	MaxConnectionsPerAddress int
	// Exempt, if not nil, tells which addresses that does not concern, such as
	// those of proxies. It is called from all loops, and must not block. A
	// connection for which it panics is closed.
	Exempt func(netip.Addr) bool
	// Logger takes what an operator should know. Default: nowhere.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Loops <= 0 {
		c.Loops = runtime.GOMAXPROCS(0)
	}
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	c.MinWriteRate = cmp.Or(c.MinWriteRate, 240)
	c.WriteGrace = cmp.Or(max(c.WriteGrace, 0), 5*time.Second)
	c.HandshakeTimeout = cmp.Or(max(c.HandshakeTimeout, 0), 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Minute)
	c.GracefulTimeout = cmp.Or(c.GracefulTimeout, 30*time.Second)
	c.MaxHandshakes = cmp.Or(c.MaxHandshakes, 4096)
	c.BufferBudget = cmp.Or(c.BufferBudget, 1<<30)
	c.MaxQueued = max(cmp.Or(c.MaxQueued, int(c.BufferBudget/8)), minQueued)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	// readSize is the byte budget of one connection in one tick, and the
	// size of each loop's read buffer.
	readSize = 64 << 10
	// flushBudget is how many bytes one connection may send in one tick, so
	// that a peer who takes them as fast as they come holds up nobody.
	flushBudget = 512 << 10
	// inputBound is how many bytes the loop keeps for a paused session
	// before it stops reading.
	inputBound = 64 << 10
	// minQueued is the least that MaxQueued may be.
	minQueued = 1 << 20
	// acceptBatch bounds the connections accepted from one listener a tick.
	acceptBatch = 64
	// acceptPause is how long accepting rests when descriptors have run out.
	acceptPause = 30 * time.Millisecond
	// acceptWarning is how often the log is told that it does.
	acceptWarning = 10 * time.Second
	// lingerTime and lingerBytes bound what is read and dropped after the
	// last byte was sent to a peer that is still sending.
	lingerTime  = 2 * time.Second
	lingerBytes = 1 << 20
)
