package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/report"
	"github.com/asteri/asteri-loop/bench/testbed"
)

const (
	// scrapeTime is how long a server is asked at least: some hundreds of
	// answers, whose hundredth part still means something.
	scrapeTime = 10 * time.Second
	// hangingPath is where an application does not answer.
	hangingPath = "/hang"
)

// whileScraped loads a warm server, or holds idle connections, and asks what it tells
// of itself meanwhile.
func (r runner) whileScraped(ctx context.Context, c benchCase, s *server) (report.Sample, error) {
	if c.hanging > 0 {
		release, err := s.hang(c.hanging)
		if err != nil {
			return report.Sample{}, err
		}
		defer release()
	}
	if err := s.complete(ctx); err != nil {
		return report.Sample{}, err
	}
	d := max(r.duration, scrapeTime)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	result := make(chan error, 1)
	var res load.Result
	if c.idle {
		idle, err := load.OpenIdle(ctx, s.url(), c.load)
		if err != nil {
			return report.Sample{}, err
		}
		defer idle.Close()
		time.AfterFunc(d, func() { result <- nil; cancel(nil) })
	} else {
		go func() {
			var err error
			res, err = r.gen.Run(ctx, c.load, s.url(), d)
			result <- err
			cancel(nil)
		}()
	}
	all, err := load.Scrape(ctx, "http://"+s.address(), c.scrape, peers.StatusToken)
	if err != nil {
		cancel(err)
	}
	if err := errors.Join(err, <-result); err != nil {
		return report.Sample{}, err
	}
	if !c.idle && res.Good == 0 {
		return report.Sample{}, fmt.Errorf("no good response, %d errors", res.Bad)
	}
	sample := report.Sample{Good: res.Good, Bad: res.Bad, Rate: float64(res.Good) / d.Seconds()}
	for i := range all {
		sample.Scrapes = append(sample.Scrapes, report.Scrapes{
			Path: all[i].Path, Count: len(all[i].Times), Bytes: all[i].Bytes,
			P50: millis(all[i].Quantile(0.5)), P99: millis(all[i].Quantile(0.99)), Max: millis(all[i].Quantile(1)),
		})
	}
	return sample, nil
}

// complete waits until no worker is being started any more.
func (s *server) complete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, testbed.StartTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address()+"/asteri-status.json", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		doc, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		if !bytes.Contains(doc, []byte(`"STARTING"`)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("workers are still being started: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// newCollector takes spans, as a collector of traces does, and forgets them.
func newCollector() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a sender that leaves has its own troubles
		w.WriteHeader(http.StatusOK)
	}))
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// hang sends n requests that the application does not answer. They are given up by
// release.
func (s *server) hang(n int) (release func(), err error) {
	var conns []net.Conn
	release = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	for range n {
		c, err := net.Dial("tcp", s.address())
		if err != nil {
			release()
			return nil, err
		}
		conns = append(conns, c)
		if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", http.MethodGet, hangingPath, s.address()); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}
