package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// wrk returns the command line. One thread: on two cores a second one would
// only take the server's place.
func (g Generator) wrk(s Spec, url string, d time.Duration) []string {
	argv := []string{
		"wrk", "-t1", "-c" + strconv.Itoa(s.Connections),
		"-d" + strconv.Itoa(max(1, int(d.Round(time.Second)/time.Second))) + "s",
		"--timeout", "10s", "-s", g.Script,
	}
	for _, f := range s.Fields {
		argv = append(argv, "-H", f)
	}
	return append(argv, url, "--", strconv.Itoa(max(1, s.Pipeline)))
}

// parseWrk reads the line that wrk.lua prints.
func parseWrk(out []byte) (Result, error) {
	at := bytes.LastIndex(out, []byte(`{"requests"`))
	if at < 0 {
		return Result{}, errors.New("no summary line")
	}
	var line struct {
		Requests   int64 `json:"requests"`
		DurationUS int64 `json:"duration_us"`
		Status     int64 `json:"status"` // responses that were not 2xx or 3xx
		Connect    int64 `json:"connect"`
		Read       int64 `json:"read"`
		Write      int64 `json:"write"`
		Timeout    int64 `json:"timeout"`
		P50US      int64 `json:"p50_us"`
		P99US      int64 `json:"p99_us"`
	}
	if err := json.NewDecoder(bytes.NewReader(out[at:])).Decode(&line); err != nil {
		return Result{}, err
	}
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return Result{
		Good:    line.Requests - line.Status,
		Bad:     line.Status + line.Connect + line.Read + line.Write + line.Timeout,
		Elapsed: us(line.DurationUS),
		P50:     us(line.P50US),
		P99:     us(line.P99US),
	}, nil
}
