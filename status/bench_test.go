package status

import (
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// busyMonitor is of a server with 64 workers and 10,000 connections, each with a
// request in flight.
func busyMonitor(b *testing.B) *Monitor {
	m := newMonitor(b, Options{Report: func() Report { return *crowded() }})
	e := exchangetest.NewExecutor(b)
	for range 10_000 {
		x := exchangetest.Get(b, e, "/a/path/of/some/length?with=a&query=too")
		m.flights.homes.At(x.Home()).put(x.Request(), x.Home())
	}
	return m
}

// Gathering and encoding the document, all of it off the loops.
func BenchmarkDocument(b *testing.B) {
	m := busyMonitor(b)
	for b.Loop() {
		b.SetBytes(int64(len(newSnapshot(m.gather()).encode(full, true))))
	}
}

func BenchmarkPage(b *testing.B) {
	m := busyMonitor(b)
	doc := m.gather()
	for b.Loop() {
		d := pageData{view: view{Doc: doc, Full: true}, Path: DefaultPath}
		page, err := d.render(m.search)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(pack(page))), "bytes-packed")
	}
}

// What a request pays for being shown while it is in flight.
func BenchmarkFlight(b *testing.B) {
	e := exchangetest.NewExecutor(b)
	m := newMonitor(b, Options{})
	x := exchangetest.Get(b, e, "/")
	done := &asteri.Record{Home: e, Request: x.Request(), Peer: x.Request().Peer}
	app := asteri.HandlerFunc(func(asteri.Exchange) { m.ExchangeDone(done) })
	b.ReportAllocs()
	for b.Loop() {
		m.flights.pass(x, app)
	}
}

// A scrape, as Prometheus asks for it.
func BenchmarkScrape(b *testing.B) {
	m := busyMonitor(b)
	e := exchangetest.NewExecutor(b)
	for _, method := range []string{"GET", "POST"} {
		for i := range 5 {
			x := query{method: method, target: "/"}.exchange(b, e)
			x.Request().Handling.Model = "sync"
			for n := range 100 {
				m.counts.ExchangeDone(&asteri.Record{Request: x.Request(), Peer: x.Request().Peer, Home: e, Status: 100*i + 100, Duration: time.Duration(n) * time.Millisecond})
			}
		}
	}
	all := newMetrics(m)
	b.ReportAllocs()
	for b.Loop() {
		text, err := all.render(form{format: formats[0], gzip: true})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(text)), "bytes-packed")
	}
}
