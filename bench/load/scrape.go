package load

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

const (
	// scrapePause is the time between an answer and the next question: many
	// more than any monitoring asks, and still little load beside the load.
	scrapePause = 10 * time.Millisecond
	// scrapeTimeout bounds the wait for one answer.
	scrapeTimeout = 10 * time.Second
)

// Scrapes is how one path was answered, again and again.
type Scrapes struct {
	Path  string
	Times []time.Duration // from before the connection is opened to the last byte, sorted
	Bytes int64           // of the largest answer, as it is sent
}

// Quantile returns the least time that a share q of the answers did not exceed.
func (s *Scrapes) Quantile(q float64) time.Duration { return Quantile(s.Times, q) }

// Quantile returns the least of sorted times that a share q of them does not exceed; 0
// if there are none.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// Scrape asks a server for paths in turn until ctx is done. Every question comes
// on a connection of its own, takes gzip, and shows a bearer token unless that is "".
// It fails if one is not answered with 200.
func Scrape(ctx context.Context, base string, paths []string, token string) ([]Scrapes, error) {
	all := make([]Scrapes, len(paths))
	for i, path := range paths {
		all[i].Path = path
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	client := &http.Client{Transport: transport, Timeout: scrapeTimeout}
	pause := time.NewTicker(scrapePause)
	defer pause.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			for i := range all {
				slices.SortFunc(all[i].Times, cmp.Compare)
			}
			return all, nil
		case <-pause.C:
		}
		if err := all[turn%len(all)].ask(client, base, token); err != nil {
			return nil, err
		}
		pause.Reset(scrapePause)
	}
}

func (s *Scrapes) ask(client *http.Client, base, token string) error {
	// Not with the context of the scrapes: the last one is to be whole, too.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+s.Path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %s", s.Path, resp.Status)
	}
	s.Times = append(s.Times, time.Since(began))
	s.Bytes = max(s.Bytes, n)
	return nil
}
