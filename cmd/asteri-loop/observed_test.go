package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
)

// observedExchange is one that its handler answers at once. A protocol would do as
// little with it as can be.
type observedExchange struct {
	asteri.Exchange // nil
	request         asteri.Request
	record          asteri.Record
	home            asteri.Executor
	observer        asteri.Observer
}

func (x *observedExchange) Request() *asteri.Request { return &x.request }
func (x *observedExchange) Home() asteri.Executor    { return x.home }
func (x *observedExchange) SetTimeout(time.Duration) {}

// Respond is the end of the exchange.
func (x *observedExchange) Respond(status int, _ *asteri.Header, body []byte) error {
	n := int64(len(body))
	x.record.Status, x.record.BytesOut, x.record.BytesSent = status, n, n+170
	if x.observer != nil {
		x.observer.ExchangeDone(&x.record)
	}
	return nil
}

var hostField, hostValue = []byte("Host"), []byte("localhost:8080")

// serve has h answer a request that is like every other.
func (x *observedExchange) serve(h asteri.Handler) {
	x.request.Handling = asteri.Handling{}
	x.request.Header.Reset()
	x.request.Header.Append(hostField, hostValue)
	h.ServeExchange(x)
}

// What a request pays for those who watch, as the program joins them: the handlers in
// front of an application that does nothing, and the observers.
func BenchmarkObserved(b *testing.B) {
	logfile := filepath.Join(b.TempDir(), "access.log")
	b.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	b.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.01")
	collector := []string{"--otlp-endpoint", "http://127.0.0.1:9"}
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"nothing", []string{"--status", "off", "--request-id", "off"}},
		{"ids", []string{"--status", "off"}},
		{"status", []string{"--request-id", "off"}},
		{"log", []string{"--status", "off", "--request-id", "off", "--access-logfile", logfile}},
		{"traces", append([]string{"--status", "off", "--request-id", "off"}, collector...)},
		{"everything", append([]string{"--access-logfile", logfile}, collector...)},
	} {
		b.Run(tc.name, func(b *testing.B) { benchmarkObserved(b, tc.args) })
	}
}

func benchmarkObserved(b *testing.B, args []string) {
	args = append(args, "-w", "tornado", "-b", "127.0.0.1:0", "--http-protocols", "h1", "--error-logfile", os.DevNull)
	cfg, err := config.Load(config.Input{Args: args, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	l, err := openLogs(cfg)
	if err != nil {
		b.Fatal(err)
	}
	s := &server{cfg: cfg, logs: l, started: time.Now()}
	s.live.Store(cfg)
	defer l.close()
	defer s.close()
	if err := s.open(); err != nil {
		b.Fatal(err)
	}
	h, err := s.handler()
	if err != nil {
		b.Fatal(err)
	}
	h = identified(behindProxies(h, cfg), cfg)
	peer := &asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("127.0.0.1:40000"), Local: netip.MustParseAddrPort("127.0.0.1:8080")}
	x := &observedExchange{home: s.engine.Loops()[0], observer: s.observer()}
	x.request = asteri.Request{
		Method: "GET", Proto: asteri.HTTP11, Scheme: "http", Target: []byte("/plaintext"), Path: []byte("/plaintext"),
		Authority: []byte("localhost:8080"), Received: time.Now(), Peer: peer,
	}
	x.record = asteri.Record{Request: &x.request, Home: x.home, Peer: peer, Duration: 20 * time.Microsecond}
	b.ReportAllocs()
	for b.Loop() {
		x.serve(h)
	}
}
