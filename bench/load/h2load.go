package load

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// h2load returns the command line: one thread, for a fixed time. An http URL is
// asked for by prior knowledge.
func h2load(s Spec, url string, d time.Duration) []string {
	return []string{
		"h2load", "-t1", "-c" + strconv.Itoa(s.Connections), "-m" + strconv.Itoa(max(1, s.Streams)),
		"-D" + strconv.Itoa(wholeSeconds(d)), url,
	}
}

var (
	h2loadTime   = regexp.MustCompile(`finished in ([0-9.]+(?:us|ms|s|m)), `)
	h2loadCounts = regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	h2loadStatus = regexp.MustCompile(`status codes: (\d+) 2xx`)
)

// parseH2load reads the summary. Latency percentiles it has none.
func parseH2load(out []byte) (Result, error) {
	finished, counts, status := h2loadTime.FindSubmatch(out), h2loadCounts.FindSubmatch(out), h2loadStatus.FindSubmatch(out)
	if finished == nil || counts == nil || status == nil {
		return Result{}, errors.New("no summary")
	}
	elapsed, err := time.ParseDuration(string(finished[1]))
	if err != nil {
		return Result{}, fmt.Errorf("elapsed time: %w", err)
	}
	var n [4]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(string(counts[i+1]), 10, 64); err != nil {
			return Result{}, err
		}
	}
	good, err := strconv.ParseInt(string(status[1]), 10, 64)
	if err != nil {
		return Result{}, err
	}
	// Requests under way at the end of the time count as failed and errored;
	// they are neither good nor bad. Those of another status are bad.
	return Result{Good: good, Bad: max(0, n[0]-good) + n[3], Elapsed: elapsed}, nil
}
