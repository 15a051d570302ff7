package status

import (
	"crypto/tls"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/stats"
)

// collector puts what the server knows of itself into metrics.
type collector struct {
	monitor   *Monitor
	goVersion string
	known     atomic.Pointer[Report] // the last document
}

// documentTimeout is how long a scrape waits for a new document. On a machine that is
// overloaded it makes do with the one before.
const documentTimeout = 30 * time.Millisecond

func (c *collector) document() *Report {
	fresh := make(chan *Report, 1)
	go func() {
		doc := c.monitor.snapshot().own
		c.known.Store(doc)
		fresh <- doc
	}()
	if c.known.Load() == nil {
		return <-fresh
	}
	select {
	case doc := <-fresh:
		return doc
	case <-time.After(documentTimeout):
		return c.known.Load()
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range table {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := collected(out)
	doc := c.document()
	measures := c.monitor.opts.Measures()
	s.exchanges(c.monitor.counts.Snapshot())
	s.connections(doc, &measures)
	s.loops(doc)
	s.webSockets(doc)
	s.pools(doc, &measures)
	s.workers(doc)
	s.server(doc, &measures)
	s.add(mBuildInfo, 1, doc.Server.Version, c.goVersion)
	s.oldNames(doc)
}

// collected takes metrics.
type collected chan<- prometheus.Metric

func (s collected) add(m *metric, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if m.Type == typeCounter {
		kind = prometheus.CounterValue
	}
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD") // else one bad label would spoil everything
	}
	s <- prometheus.MustNewConstMetric(m.desc, kind, value, labels...)
}

func (s collected) each(m *metric, counts map[string]uint64, labels ...string) {
	for name, n := range counts {
		s.add(m, float64(n), append(labels[:len(labels):len(labels)], name)...)
	}
}

// The classic buckets end at 2^classicFrom to 2^classicTo seconds: a quarter of a
// millisecond to a minute.
const classicFrom, classicTo = -12, 6

// distribution is a histogram, classic and native at once.
type distribution struct {
	metric *metric
	labels []*dto.LabelPair
	d      *stats.Distribution
}

// Desc implements prometheus.Metric.
func (h *distribution) Desc() *prometheus.Desc { return h.metric.desc }

// Write implements prometheus.Metric.
func (h *distribution) Write(out *dto.Metric) error {
	zero := stats.ZeroThreshold
	hist := &dto.Histogram{
		SampleCount: &h.d.Count, SampleSum: &h.d.Sum,
		Schema: new(int32(stats.Schema)), ZeroThreshold: &zero, ZeroCount: &h.d.Zero,
	}
	h.d.Classic(classicFrom, classicTo, func(bound float64, cumulative uint64) {
		hist.Bucket = append(hist.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: &cumulative})
	})
	addNative(hist, h.d.Native)
	out.Histogram, out.Label = hist, h.labels
	return nil
}

// addNative adds the native buckets: spans of neighbours, each bucket as the
// difference to the one before.
func addNative(hist *dto.Histogram, each func(func(index int, n uint64))) {
	var span *dto.BucketSpan
	next, before := 0, int64(0)
	each(func(index int, n uint64) {
		if span == nil || index != next {
			span = &dto.BucketSpan{Offset: new(int32(index - next)), Length: new(uint32)}
			hist.PositiveSpan = append(hist.PositiveSpan, span)
		}
		*span.Length++
		hist.PositiveDelta = append(hist.PositiveDelta, int64(n)-before)
		next, before = index+1, int64(n)
	})
	if span == nil { // what tells an empty native histogram from none
		hist.PositiveSpan = []*dto.BucketSpan{{Offset: new(int32), Length: new(uint32)}}
	}
}

func (s collected) distribution(m *metric, d *stats.Distribution, labels []string) {
	if d.Count > 0 {
		s <- &distribution{m, prometheus.MakeLabelPairs(m.desc, labels), d}
	}
}

func (s collected) exchanges(all *stats.Snapshot) {
	type place struct{ app, model, protocol string }
	bytes := make(map[place][3]uint64)
	for _, t := range all.Totals {
		app, model := strings.ToValidUTF8(t.App, "\uFFFD"), strings.ToValidUTF8(t.Model, "\uFFFD")
		labels := []string{app, model, t.Proto.String(), t.Method, class(t.Class)}
		s.add(mRequests, float64(t.Duration.Count), labels...)
		s.distribution(mDuration, &t.Duration, labels)
		s.distribution(mQueueTime, &t.Queued, labels)
		s.distribution(mWorkTime, &t.Worked, labels)
		at := place{app, model, t.Proto.String()}
		sums := bytes[at]
		bytes[at] = [3]uint64{sums[0] + t.BytesIn, sums[1] + t.BytesOut, sums[2] + t.BytesSent}
	}
	for at, sums := range bytes {
		for i, m := range []*metric{mBodyIn, mBodyOut, mSent} {
			s.add(m, float64(sums[i]), at.app, at.model, at.protocol)
		}
	}
	for why, n := range all.Endings {
		s.add(mUnclean, float64(n), why.String())
	}
	for why, n := range all.Refusals {
		m := mRefused
		if why.Malformed {
			m = mMalformed
		}
		s.add(m, float64(n), strconv.Itoa(why.Status), why.Reason)
	}
	s.otel(all)
}

// class names the class of a status as Asteri does.
func class(digit int) string {
	if digit == 0 {
		return "none"
	}
	return strconv.Itoa(digit) + "xx"
}

func (s collected) connections(doc *Report, m *Measures) {
	for _, p := range m.Engine.Protocols {
		name, state := p.Protocol, "open"
		if name == "" {
			name, state = "none", "new"
		}
		s.add(mConnections, float64(p.Open), name, state)
	}
	if h := doc.HTTP3; h != nil {
		s.add(mConnections, float64(h.Connections), "h3", "open")
		s.add(mHTTP3Opened, float64(h.Accepted))
		s.each(mRequestErrors, h.Errors)
	}
	s.each(mTurnedAway, m.Engine.Refused)
	var failed uint64
	for _, h := range m.Engine.Handshaken {
		if h.Version == 0 {
			failed += h.Count
			continue
		}
		s.add(mHandshakes, float64(h.Count), tls.VersionName(h.Version), strconv.FormatBool(h.Resumed))
	}
	s.add(mHandshakeBad, float64(failed))
	s.add(mHandshaking, float64(m.Engine.Handshakes))
	s.add(mShed, float64(m.Engine.ShedForMemory), "memory")
	s.add(mShed, float64(m.Engine.ShedIdle), "idle")
	s.add(mOverload, float64(m.Engine.Overload))
	s.add(mBuffered, float64(m.Engine.BufferBytes))
	s.add(mBufferBudget, float64(m.BufferBudget))
}

func (s collected) loops(doc *Report) {
	for _, l := range doc.Loops {
		id := strconv.Itoa(l.ID)
		s.add(mAccepted, float64(l.Accepted), id)
		s.add(mLoopConns, float64(l.Connections), id)
		s.add(mLoopActive, oneIf(l.Active), id)
		s.add(mLoopLag, l.Lag, id)
		s.add(mLoopTicks, float64(l.Ticks), id)
		s.add(mLoopPanics, float64(l.Panics), id)
	}
}

func oneIf(is bool) float64 { return float64(index(is)) }

func (s collected) webSockets(doc *Report) {
	w := doc.WebSockets
	if w == nil {
		w = new(WebSockets)
	}
	s.add(mSocketsOpen, float64(w.Open))
	s.add(mSocketsOpened, float64(w.Opened))
	s.add(mSocketsRefused, float64(w.Refused))
	s.add(mSocketMessages, float64(w.MessagesIn), "in")
	s.add(mSocketMessages, float64(w.MessagesOut), "out")
	s.each(mSocketsFailed, w.Failures)
	s.add(mSocketsDeserted, float64(w.Silent), "silent")
	s.add(mSocketsDeserted, float64(w.Stalled), "stalled")
	s.add(mSocketsDeserted, float64(w.NotAnswered), "not_answered")
}

func (s collected) pools(doc *Report, m *Measures) {
	for _, p := range m.Pools {
		s.add(mQueueLength, float64(p.Queued), p.App)
		s.add(mQueueCapacity, float64(p.QueueSize), p.App)
		s.add(mQueueRefused, float64(p.Refused), p.App)
		s.add(mQueueExpired, float64(p.Expired), p.App)
		s.add(mTimeouts, float64(p.TimedOut), p.App)
		s.add(mRetries, float64(p.Retried), p.App)
		s.scaling(p.Scaling, p.App)
		if p.Exited != nil {
			s.add(mWorkersStarted, float64(p.Started), p.App)
			s.each(mWorkersExited, p.Exited, p.App)
			s.each(mMetricsDropped, p.MetricsDropped, p.App)
		}
	}
	s.add(mInFlight, float64(doc.InFlight))
}

func (s collected) scaling(n *Scaling, app string) {
	if n == nil {
		return
	}
	s.add(mWorkersWanted, float64(n.Wanted), app)
	if n.Most > 0 {
		s.add(mWorkersLeast, float64(n.Least), app)
		s.add(mWorkersMost, float64(n.Most), app)
		s.add(mWorkersLoad, n.Load, app)
	}
}

// workerStates are all that a worker can be in: a state without workers is 0, so
// that an alert sees it.
var workerStates = []string{"STARTING", "IDLE", "BUSY", "DRAINING", "RESTARTING"}

func (s collected) workers(doc *Report) {
	type place struct{ app, model string }
	inState := make(map[place]map[string]int)
	for _, w := range doc.Workers {
		at := place{w.At, w.Model}
		if inState[at] == nil {
			inState[at] = make(map[string]int)
		}
		inState[at][w.State]++
		if w.PID == 0 { // is being started
			continue
		}
		pid := strconv.Itoa(w.PID)
		s.add(mWorkerRequests, float64(w.Served), w.At, pid)
		s.add(mWorkerFrames, float64(w.Frames), w.At, pid)
		s.add(mWorkerInFlight, float64(w.InFlight), w.At, pid)
		s.add(mWorkerAge, w.Age, w.At, pid)
		if w.RSS > 0 {
			s.add(mWorkerRSS, float64(w.RSS), w.At, pid)
			s.add(mWorkerCPU, w.CPUSeconds, w.At, pid)
		}
		if w.PSS > 0 {
			s.add(mWorkerPSS, float64(w.PSS), w.At, pid)
		}
	}
	for at, n := range inState {
		for _, state := range workerStates {
			s.add(mWorkersByState, float64(n[state]), at.app, at.model, strings.ToLower(state))
		}
	}
}

func (s collected) server(doc *Report, m *Measures) {
	s.add(mReady, oneIf(doc.Ready))
	for _, c := range doc.Certificates {
		s.add(mCertificate, float64(c.NotAfter.Unix()), c.Name)
	}
	s.add(mStarted, float64(doc.Server.Started.UnixMilli())/1000)
	if p := &doc.Process; p.RSS > 0 {
		s.add(mServerRSS, float64(p.RSS))
		s.add(mServerCPU, p.CPUSeconds)
		if p.PSS > 0 {
			s.add(mServerPSS, float64(p.PSS))
		}
	}
	s.each(mLogLost, m.LogLinesLost)
	if m.StatsdLost != nil {
		s.add(mStatsdLost, float64(*m.StatsdLost))
	}
}

// oldNames adds what Asteri 3 calls by names of its own.
func (s collected) oldNames(doc *Report) {
	working := 0
	for _, w := range doc.Workers {
		if w.State == "IDLE" || w.State == "BUSY" {
			working++
		}
	}
	s.add(mOldWorkers, float64(working))
	s.add(mOldConnections, float64(doc.Connections))
	if doc.Host.Memory > 0 {
		s.add(mOldCPU, 100*doc.Host.CPU)
		s.add(mOldMemory, 100*float64(doc.Host.Memory-doc.Host.Available)/float64(doc.Host.Memory))
	}
	s.add(mOldUptime, doc.Server.Uptime)
	s.add(mOtelActive, float64(doc.InFlight))
}

// flavors are the protocols in the words of OpenTelemetry's first conventions.
var flavors = map[asteri.Proto]string{asteri.HTTP10: "1.0", asteri.HTTP11: "1.1", asteri.HTTP2: "2.0", asteri.HTTP3: "3.0"}

// otel adds durations in milliseconds, under the names of Asteri 3 for what it knew
// of OpenTelemetry's conventions. It counts for all applications together.
func (s collected) otel(all *stats.Snapshot) {
	type place struct{ method, class, flavor string }
	sums := make(map[place]*stats.Distribution)
	for _, t := range all.Totals {
		at := place{t.Method, class(t.Class), flavors[t.Proto]}
		if sums[at] == nil {
			sums[at] = new(stats.Distribution)
		}
		sums[at].Add(&t.Duration)
	}
	for at, d := range sums {
		s <- prometheus.MustNewConstSummary(mOtelDuration.desc, d.Count, d.Sum*1000, nil, at.method, at.class, at.flavor)
	}
}
