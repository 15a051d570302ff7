// Package trace makes spans of requests and sends them to an OpenTelemetry collector
// by OTLP over HTTP.
//
// A request's place in its trace is decided when it comes, since the application is to
// continue the trace. Its spans are made when it has ended, by a goroutine of their own
// out of a bounded queue: requests never wait for a collector.
package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/asteri/asteri-loop"
)

// Options say where spans go. What they leave open is taken from the variables of
// OpenTelemetry.
type Options struct {
	// Endpoint is the collector's URL, to whose path v1/traces is added; empty
	// for that of the environment.
	Endpoint string
	// Version is the server's.
	Version string
	// Getenv is os.Getenv.
	Getenv func(string) string
	// Logger is told of spans that are lost, and of variables that make no
	// sense.
	Logger *slog.Logger
}

// Wanted tells whether spans are to be made: there is an endpoint, and the
// environment does not forbid it.
func Wanted(endpoint string, getenv func(string) string) bool {
	if getenv("OTEL_SDK_DISABLED") == "true" || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return endpoint != "" || getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Tracer gives requests their place in a trace (Handler), and as an asteri.Observer
// makes spans of them.
type Tracer struct {
	sampler sampler
	log     *slog.Logger
	client  otlptrace.Client
	limits  limits

	queue *queue
	stop  chan struct{}
	done  chan struct{}
	quit  context.CancelFunc // of exports under way
	ctx   context.Context

	batch    *batch // of the goroutine
	exported atomic.Uint64
	lost     atomic.Uint64
	told     time.Time // when losses were logged last
	toldOf   uint64
}

var _ asteri.TunnelObserver = (*Tracer)(nil)

// Stats count spans from the start.
type Stats struct {
	// Exported spans were taken by the collector. Lost are those that were not,
	// and those of requests for which the queue had no room.
	Exported, Lost uint64
}

// New starts a tracer. It does not connect yet.
func New(o Options) (*Tracer, error) {
	client, err := newClient(o)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about, err := describe(o)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	l := limitsOf(o)
	t := &Tracer{
		sampler: samplerOf(o), log: o.Logger, client: client, limits: l,
		queue: newQueue(l), batch: newBatch(about, o.Version),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	t.ctx, t.quit = context.WithCancel(context.Background())
	go t.run()
	return t, nil
}

func newClient(o Options) (otlptrace.Client, error) {
	var opts []otlptracehttp.Option
	// The endpoint for traces alone wins over the one for all signals.
	if o.Endpoint != "" && (o.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" || o.Endpoint != o.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")) {
		at, err := url.JoinPath(o.Endpoint, "v1/traces")
		if err != nil {
			return nil, err
		}
		opts = append(opts, otlptracehttp.WithEndpointURL(at))
	}
	return otlptracehttp.NewClient(opts...), nil
}

// limits are those of OpenTelemetry's batch processor.
type limits struct {
	queue, batch  int
	delay, export time.Duration
}

func limitsOf(o Options) limits {
	l := limits{
		queue:  number(o, "OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1<<20),
		batch:  number(o, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1<<16),
		delay:  time.Duration(number(o, "OTEL_BSP_SCHEDULE_DELAY", 5000, 1<<30)) * time.Millisecond,
		export: time.Duration(number(o, "OTEL_BSP_EXPORT_TIMEOUT", 30000, 1<<30)) * time.Millisecond,
	}
	l.batch = min(l.batch, l.queue)
	return l
}

// number reads a variable, which is from 1 to high.
func number(o Options, name string, otherwise, high int) int {
	text := o.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > high {
		o.Logger.Warn("variable is not a number in its range", "variable", name, "value", text, "used", otherwise)
		return otherwise
	}
	return n
}

// Stats returns the counts.
func (t *Tracer) Stats() Stats { return Stats{t.exported.Load(), t.lost.Load()} }

// ExchangeDone implements asteri.Observer.
func (t *Tracer) ExchangeDone(r *asteri.Record) {
	if f := finish(r); f != nil {
		t.enqueue(f)
	}
}

// TunnelOpened implements asteri.TunnelObserver: the span of a tunnel ends with it.
func (t *Tracer) TunnelOpened(r *asteri.Record) asteri.TunnelClosed {
	f := finish(r)
	if f == nil {
		return nil
	}
	return func(bytesIn, bytesOut int64, cause error) {
		f.bytesIn += bytesIn
		f.bytesOut += bytesOut
		f.took = time.Since(f.began)
		f.err = cause
		t.enqueue(f)
	}
}

// enqueue never waits.
func (t *Tracer) enqueue(f *finished) {
	if !t.queue.put(f) {
		t.lost.Add(uint64(f.spans()))
	}
}

// run makes spans and exports them, in batches that are full or have waited.
func (t *Tracer) run() {
	defer close(t.done)
	delay := time.NewTimer(t.limits.delay)
	defer delay.Stop()
	for {
		select {
		case <-t.queue.full:
			t.exportWaiting(false)
		case <-delay.C:
			t.exportWaiting(true)
		case <-t.stop:
			t.exportWaiting(true)
			return
		}
		delay.Reset(t.limits.delay)
	}
}

// exportWaiting exports the requests that make a batch; with some set the others, too.
func (t *Tracer) exportWaiting(some bool) {
	for {
		all := t.queue.take(some)
		if len(all) == 0 {
			return
		}
		for _, f := range all {
			t.batch.makeSpans(f)
		}
		t.export()
	}
}

// export sends the batch. What the collector does not take is lost.
func (t *Tracer) export() {
	ctx, cancel := context.WithTimeout(t.ctx, t.limits.export)
	defer cancel()
	err := t.client.UploadTraces(ctx, []*tracepb.ResourceSpans{t.batch.about})
	if n := uint64(t.batch.used); err != nil {
		t.lost.Add(n)
		err = fmt.Errorf("traces export: %w", err)
	} else {
		t.exported.Add(n)
	}
	t.batch.reset()
	t.tellLosses(err)
}

// tellEvery is how often losses are logged.
const tellEvery = 30 * time.Second

func (t *Tracer) tellLosses(err error) {
	lost := t.lost.Load()
	if lost == t.toldOf || !t.told.IsZero() && time.Since(t.told) < tellEvery {
		return
	}
	if err == nil {
		err = errors.New("more requests than the collector takes")
	}
	t.log.Warn("spans were lost", "spans", lost-t.toldOf, "error", err)
	t.told, t.toldOf = time.Now(), lost
}

// Close exports what waits. It gives up after timeout.
func (t *Tracer) Close(timeout time.Duration) {
	close(t.stop)
	late := time.AfterFunc(timeout, t.quit)
	<-t.done
	late.Stop()
	t.quit()
	_ = t.client.Stop(context.Background()) // nothing is left that could fail to be sent
}
