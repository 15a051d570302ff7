package statsd

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/logging"
	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
)

type home struct{ _ int }

func (*home) Post(func()) bool { return false }

const patience = 10 * time.Second

// receive returns the metrics of datagrams until all are there that are wanted.
func receive(t *testing.T, at net.PacketConn, limit int, want ...string) (all []string) {
	t.Helper()
	_ = at.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 64<<10)
	for slices.ContainsFunc(want, func(m string) bool { return !slices.Contains(all, m) }) {
		n, _, err := at.ReadFrom(buf)
		if err != nil {
			t.Fatalf("%v; got %q, want %q", err, all, want)
		}
		if n > limit {
			t.Errorf("a datagram of %d bytes", n)
		}
		all = append(all, strings.Split(string(buf[:n]), "\n")...)
	}
	return all
}

func listen(t *testing.T, network, address string) net.PacketConn {
	t.Helper()
	at, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { at.Close() })
	return at
}

func TestNamesAreGunicorns(t *testing.T) {
	leakcheck.Check(t)
	at := listen(t, "udp", "127.0.0.1:0")
	h := new(home)
	c := New(Options{
		Network: "udp", Address: at.LocalAddr().String(), Prefix: "my.app..", Tags: "env:test,x",
		Workers: func() int { return 3 }, Logger: slog.New(slog.DiscardHandler),
	})
	defer c.Close()
	log := slog.New(c.Logs(slog.DiscardHandler))
	_ = log.Handler().(*handler).Handle(t.Context(), slog.Record{Level: slog.LevelError})
	_ = log.With("a", 1).WithGroup("g").Handler().Handle(t.Context(), slog.Record{Level: slog.LevelWarn})
	_ = log.Handler().Handle(t.Context(), slog.Record{Level: logging.LevelCritical})
	_ = log.Handler().Handle(t.Context(), slog.Record{Level: slog.LevelInfo})
	withTraceback := slog.Record{Level: slog.LevelError}
	withTraceback.AddAttrs(slog.String("error", "x"), slog.String("traceback", "Traceback"))
	_ = log.Handler().Handle(t.Context(), withTraceback)
	for _, r := range []*asteri.Record{
		{Home: h, Request: &asteri.Request{}, Status: 200, Duration: 1500 * time.Microsecond},
		{Home: new(home), Request: &asteri.Request{}, Status: 404, Duration: 20 * time.Millisecond},
	} {
		c.ExchangeDone(r)
	}
	receive(t, at, 1432,
		"my.app.gunicorn.request.duration:1.5|ms|#env:test,x", "my.app.gunicorn.request.duration:20|ms|#env:test,x",
		"my.app.gunicorn.request.status.200:1|c|#env:test,x", "my.app.gunicorn.request.status.404:1|c|#env:test,x",
		"my.app.gunicorn.workers:3|g|#env:test,x", "my.app.gunicorn.log.error:1|c|#env:test,x",
		"my.app.gunicorn.log.warning:1|c|#env:test,x", "my.app.gunicorn.log.critical:1|c|#env:test,x",
		"my.app.gunicorn.log.exception:1|c|#env:test,x")
}

// Many requests go in few datagrams, which stay below the limit, and of very many
// only some durations are sent, with the rate.
func TestManyRequests(t *testing.T) {
	h := new(home)
	var sent [][]byte
	p := packer{limit: 1432, send: func(b []byte) { sent = append(sent, slices.Clone(b)) }}
	s := new(shard)
	const n = 4 * maxTimes
	for range n {
		s.add(&asteri.Record{Home: h, Request: &asteri.Request{}, Status: 200, Duration: time.Millisecond})
	}
	s.pack(&p)
	p.flush()
	var lines []string
	for _, d := range sent {
		if len(d) > 1432 {
			t.Errorf("a datagram of %d bytes", len(d))
		}
		lines = append(lines, strings.Split(string(d), "\n")...)
	}
	if len(lines) != maxTimes+2 || lines[0] != "gunicorn.request.duration:1|ms|@0.25" {
		t.Errorf("%d lines, %q", len(lines), lines[0])
	}
	if !slices.Contains(lines, fmt.Sprintf("gunicorn.requests:%d|c", n)) {
		t.Error("requests were not counted")
	}
	sent = nil
	s.pack(&p)
	if p.flush(); len(sent) != 0 {
		t.Errorf("sent again: %q", sent)
	}
}

func TestUnixSocket(t *testing.T) {
	leakcheck.Check(t)
	path := filepath.Join(t.TempDir(), "s")
	at := listen(t, "unixgram", path)
	c := New(Options{Network: "unixgram", Address: path, Logger: slog.New(slog.DiscardHandler)})
	defer c.Close()
	c.ExchangeDone(&asteri.Record{Status: 400}) // a head that was refused
	all := receive(t, at, 8<<10, "gunicorn.request.status.400:1|c")
	if slices.Contains(all, "gunicorn.requests:1|c") {
		t.Errorf("%q", all)
	}
}

// A server that is not there costs datagrams, which are counted, and one line of the
// log.
func TestNobodyListens(t *testing.T) {
	leakcheck.Check(t)
	c := New(Options{Network: "unixgram", Address: filepath.Join(t.TempDir(), "none"), Logger: slog.New(slog.DiscardHandler)})
	deadline := time.Now().Add(patience)
	for c.Lost() < 2 && time.Now().Before(deadline) {
		c.ExchangeDone(&asteri.Record{Status: 400})
		time.Sleep(time.Millisecond) // nothing is sent meanwhile
	}
	c.Close()
	if c.Lost() < 2 {
		t.Error("nothing was lost")
	}
}

func TestObservingAllocatesNothing(t *testing.T) {
	h := new(home)
	c := New(Options{Network: "unixgram", Address: "/none", Logger: slog.New(slog.DiscardHandler)})
	c.Close()
	r := &asteri.Record{Home: h, Request: &asteri.Request{}, Status: 200}
	for range 2 * maxTimes {
		c.ExchangeDone(r)
	}
	if n := testing.AllocsPerRun(100, func() { c.ExchangeDone(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
