package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long one answer may take.
const patience = 30 * time.Second

// load asks for what is quick over connections that are kept.
type load struct {
	address     string
	connections int
}

// times are how long answers took.
type times struct {
	rate          int // answers a second
	p50, p99, max time.Duration
}

// String is for people.
func (t times) String() string {
	return fmt.Sprintf("%6d/s  p50 %v  p99 %v  max %v", t.rate, t.p50.Round(10*time.Microsecond), t.p99.Round(10*time.Microsecond), t.max.Round(10*time.Microsecond))
}

// median returns the one whose p99 is in the middle.
func median(of []times) times {
	slices.SortFunc(of, func(a, b times) int { return int(a.p99 - b.p99) })
	return of[len(of)/2]
}

// run asks for d, and has a request block a worker all the while if block is not 0.
func (l load) run(ctx context.Context, d, block time.Duration) (times, error) {
	until := time.Now().Add(d)
	took := make([][]time.Duration, l.connections)
	errs := make([]error, l.connections+1)
	var all sync.WaitGroup
	if block > 0 {
		all.Go(func() { _, errs[l.connections] = l.ask(ctx, fmt.Sprintf("/block/%g", block.Seconds()), until) })
	}
	for i := range l.connections {
		all.Go(func() { took[i], errs[i] = l.ask(ctx, "/", until) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return times{}, err
		}
	}
	sorted := slices.Concat(took...)
	slices.Sort(sorted)
	if len(sorted) == 0 {
		return times{}, fmt.Errorf("no answer")
	}
	return times{
		rate: int(float64(len(sorted)) / d.Seconds()),
		p50:  sorted[len(sorted)/2], p99: sorted[len(sorted)*99/100], max: sorted[len(sorted)-1],
	}, nil
}

// ask makes one request after the other over a connection, and returns how long each took.
func (l load) ask(ctx context.Context, path string, until time.Time) (took []time.Duration, err error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", l.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	in := bufio.NewReader(c)
	for began := time.Now(); began.Before(until); began = time.Now() {
		if err := c.SetDeadline(began.Add(patience)); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
			return nil, err
		}
		if err := answered(in); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// answered reads a response: its Content-Length says where it ends. net/http would cost
// as much as the server.
func answered(in *bufio.Reader) error {
	status, length := "", 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		switch {
		case status == "":
			status = line
		case strings.EqualFold(name, "content-length"):
			if _, err := fmt.Sscan(value, &length); err != nil {
				return err
			}
		case line == "":
			if !strings.HasPrefix(status, "HTTP/1.1 200 ") {
				return fmt.Errorf("the answer is %s", status)
			}
			_, err := in.Discard(length)
			return err
		}
	}
}

// askOnce tells whether the server answers.
func askOnce(ctx context.Context, address string) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bench/", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", res.Status)
	}
	return nil
}
