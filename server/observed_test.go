package server

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
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

// What a request pays for those who watch, as the server joins them: the handlers in
// front of an application that does nothing, and the observers.
func BenchmarkObserved(b *testing.B) {
	logfile := AccessLog{Path: filepath.Join(b.TempDir(), "access.log")}
	b.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	b.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.01")
	collector, silent := Traces{Endpoint: "http://127.0.0.1:9"}, Status{Off: true}
	for _, tc := range []struct {
		name string
		cfg  Config
	}{
		{"nothing", Config{Status: silent, RequestID: off}},
		{"ids", Config{Status: silent}},
		{"status", Config{RequestID: off}},
		{"log", Config{Status: silent, RequestID: off, Logs: Logs{Access: logfile}}},
		{"traces", Config{Status: silent, RequestID: off, Traces: collector}},
		{"everything", Config{Logs: Logs{Access: logfile}, Traces: collector}},
	} {
		b.Run(tc.name, func(b *testing.B) { benchmarkObserved(b, tc.cfg) })
	}
}

func benchmarkObserved(b *testing.B, cfg Config) {
	body := []byte("Hello, World!")
	cfg.App.Handler = asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(200, nil, body) })
	cfg.Listen.Addresses, cfg.HTTP.Versions, cfg.Logs.Logger = []string{"127.0.0.1:0"}, []string{"h1"}, slog.New(slog.DiscardHandler)
	s, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	h, err := s.chain(s.apps.Handler)
	if err != nil {
		b.Fatal(err)
	}
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
