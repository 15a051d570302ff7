// Package attack is clients that want a server to fail: each kind is a crowd of
// connections that hold what they can get. They are bounded in number and in
// time, and reach nothing but loopback addresses.
package attack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// comeBack is how long an attacker whose connection has ended waits before it opens
// another: it persists, but does not live by the rate of its connections.
const comeBack = 2 * time.Second

// Plan is one attack, as a process that makes it is told.
type Plan struct {
	Kind        string        `json:"kind"`
	Address     string        `json:"address"` // of the server: an IP address of loopback and a port
	Path        string        `json:"path"`
	Connections int           `json:"connections"`
	Streams     int           `json:"streams"`   // requests at a time on each connection, where a protocol has them
	PerSecond   int           `json:"perSecond"` // connections opened at first, at most
	Duration    time.Duration `json:"duration"`
}

// Opening is how long the attackers need to come, one after the other.
func (p Plan) Opening() time.Duration {
	return time.Duration(p.Connections) * time.Second / time.Duration(p.PerSecond)
}

// Tally is what became of an attack.
type Tally struct {
	Opened int64 `json:"opened"` // connections that came to what they were for
	Ended  int64 `json:"ended"`  // of these, by the server
	Failed int64 `json:"failed"` // that did not come so far
}

// Plus returns the sum of two tallies.
func (t Tally) Plus(o Tally) Tally {
	return Tally{t.Opened + o.Opened, t.Ended + o.Ended, t.Failed + o.Failed}
}

// hold makes connection number i, calls opened when it stands, and returns when it has
// ended. The connection is gone when ctx is done, at the latest.
type hold func(ctx context.Context, p Plan, i int, opened func()) error

// kinds are the attacks, each in a file of its own.
var kinds = map[string]hold{
	"zero-window":    zeroWindow,
	"stalled-reader": stalledReader,
	"held-upload":    heldUpload,
	"whole-upload":   wholeUpload,
	"inflate":        inflate,
	"inflate-open":   inflateOpen,
	"unfinished":     unfinished,
	"quic-stalled":   quicStalled,
	"silent":         silent,
	"asked":          asked,
}

// Kinds are the names of all attacks, sorted.
func Kinds() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Run makes an attack. It ends by itself after p.Duration, or with ctx.
func Run(ctx context.Context, p Plan) (Tally, error) {
	one, ok := kinds[p.Kind]
	if !ok {
		return Tally{}, fmt.Errorf("no attack is called %q; there are %s", p.Kind, strings.Join(Kinds(), ", "))
	}
	at, err := netip.ParseAddrPort(p.Address)
	switch {
	case err != nil:
		return Tally{}, err
	case !at.Addr().IsLoopback():
		return Tally{}, fmt.Errorf("%s is not this machine", p.Address)
	case p.Connections < 1 || p.PerSecond < 1 || p.Duration <= 0:
		return Tally{}, errors.New("an attack has connections, a rate and a duration")
	}
	ctx, cancel := context.WithTimeout(ctx, p.Duration)
	defer cancel()
	return crowd(ctx, p, one), nil
}

// crowd holds p.Connections connections, each of which comes again when it has ended.
func crowd(ctx context.Context, p Plan, one hold) Tally {
	var opened, ended, failed atomic.Int64
	var attackers sync.WaitGroup
	began := time.Now()
	for i := range p.Connections {
		first := began.Add(time.Duration(i) * time.Second / time.Duration(p.PerSecond))
		attackers.Go(func() {
			for wait := time.Until(first); pause(ctx, wait); wait = comeBack {
				stood := false
				_ = one(ctx, p, i, func() { stood = true; opened.Add(1) }) // the server's doing, or the end of the attack
				switch {
				case ctx.Err() != nil:
				case stood:
					ended.Add(1)
				default:
					failed.Add(1)
				}
			}
		})
	}
	attackers.Wait()
	return Tally{Opened: opened.Load(), Ended: ended.Load(), Failed: failed.Load()}
}

// pause waits, and reports whether there is time left.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// source is the address of attacker i: loopback has many, so that ports suffice, and
// that attackers and honest clients are not one client.
func source(i int) net.IP { return net.IPv4(127, 0, 1, byte(1+i%250)) }

// dial opens a TCP connection whose receive buffer is at most so many bytes; 0 leaves
// it to the system. It is closed when ctx is done.
func dial(ctx context.Context, p Plan, i, buffer int) (*net.TCPConn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: source(i)}, Control: receiveBuffer(buffer)}
	c, err := d.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return c.(*net.TCPConn), nil
}
