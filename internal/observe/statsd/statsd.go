// Package statsd sends counts to a StatsD server, under the names that gunicorn has
// for them.
//
// Event loops only note what happened; a goroutine sends it, several metrics in a
// datagram, ten times a second. What cannot be sent is dropped and counted.
package statsd

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/perhome"
)

// Options say where to send what.
type Options struct {
	// Network and Address are those of the server, as net.Dial takes them:
	// "udp" or "unixgram".
	Network, Address string
	// Prefix is put before every name. A dot is added if it does not end with
	// one.
	Prefix string
	// Tags are those of DogStatsD, separated by commas; empty for none.
	Tags string
	// Workers returns the number of workers; nil for not to be told.
	Workers func() int
	// Logger is told when the server cannot be reached, and when it can again.
	Logger *slog.Logger
}

const (
	flushEvery   = 100 * time.Millisecond
	workersEvery = 10 * time.Second
	dialEvery    = 10 * time.Second
	writeTimeout = 100 * time.Millisecond
)

// Client is an asteri.Observer that tells a StatsD server.
type Client struct {
	opts    Options
	shards  *perhome.Values[asteri.Executor, shard]
	logged  [len(levels)]atomic.Uint64
	lost    atomic.Uint64
	metrics atomic.Pointer[prometheus.Gatherer] // of applications; nil without
	stop    context.CancelFunc
	done    chan struct{}

	// The goroutine's.
	conn     net.Conn
	dialAt   time.Time // not before
	failing  bool      // and the log knows
	out      packer
	told     [len(levels)]uint64 // of logged
	workers  int
	workerAt time.Time
	further  further
}

var _ asteri.Observer = (*Client)(nil)

// New starts a client. It need not reach the server: it goes on trying.
func New(o Options) *Client {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{opts: o, stop: cancel, done: make(chan struct{}), workers: -1}
	c.shards = perhome.New(func(asteri.Executor) *shard { return new(shard) })
	c.out = packer{prefix: prefix(o.Prefix), suffix: suffix(o.Tags), limit: limitOf(o.Network), send: c.send}
	c.further.tagged = o.Tags != ""
	go c.run(ctx)
	return c
}

func prefix(s string) string {
	if s = strings.TrimRight(s, "."); s == "" {
		return ""
	}
	return s + "."
}

func suffix(tags string) string {
	if tags == "" {
		return ""
	}
	return "|#" + tags
}

// limitOf returns how long a datagram may be: no network that is common today
// fragments 1432 bytes, and a local socket takes what DogStatsD does.
func limitOf(network string) int {
	if network == "unixgram" {
		return 8 << 10
	}
	return 1432
}

// Lost returns how many datagrams could not be sent.
func (c *Client) Lost() uint64 { return c.lost.Load() }

// Close sends what is left and ends the client.
func (c *Client) Close() {
	c.stop()
	<-c.done
}

// ExchangeDone implements asteri.Observer.
func (c *Client) ExchangeDone(r *asteri.Record) {
	c.shards.At(r.Home).add(r)
}

func (c *Client) run(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.flush(time.Now(), true)
			if c.conn != nil {
				_ = c.conn.Close() // nothing waits in it
			}
			return
		case now := <-tick.C:
			c.flush(now, false)
		}
	}
}

// flush sends what has happened since the last time.
func (c *Client) flush(now time.Time, last bool) {
	for _, s := range c.shards.All() {
		s.pack(&c.out)
	}
	for i, level := range levels {
		n := c.logged[i].Load()
		c.out.count(level, n-c.told[i])
		c.told[i] = n
	}
	if c.opts.Workers != nil {
		if n := c.opts.Workers(); n != c.workers || now.Sub(c.workerAt) >= workersEvery {
			c.workers, c.workerAt = n, now
			c.out.gauge("gunicorn.workers", n)
		}
	}
	if of := c.metrics.Load(); of != nil {
		c.further.pack(*of, now, last, &c.out)
	}
	c.out.flush()
}

// send sends one datagram.
func (c *Client) send(datagram []byte) {
	if c.conn == nil && !c.dial() {
		c.lost.Add(1)
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails as Write then does
	if _, err := c.conn.Write(datagram); err != nil {
		c.lost.Add(1)
		c.fails(err)
		return
	}
	if c.failing {
		c.failing = false
		c.opts.Logger.Info("The StatsD server can be reached again", "address", c.opts.Address)
	}
}

func (c *Client) dial() bool {
	now := time.Now()
	if now.Before(c.dialAt) {
		return false
	}
	c.dialAt = now.Add(dialEvery)
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.Dial(c.opts.Network, c.opts.Address)
	if err != nil {
		c.fails(err)
		return false
	}
	c.conn = conn
	return true
}

// fails lets go of a socket that is of no use any more. One of UDP stays good: its
// errors are about datagrams before, to which nobody listened.
func (c *Client) fails(err error) {
	if c.conn != nil && c.opts.Network != "udp" {
		_ = c.conn.Close() // it has failed already
		c.conn = nil
	}
	if !c.failing {
		c.failing = true
		c.opts.Logger.Warn("The StatsD server cannot be reached", "address", c.opts.Address, "error", err)
	}
}
