package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// Summary is the line that wrk.lua and our own programs print at the end.
type Summary struct {
	Requests   int64 `json:"requests"`
	DurationUS int64 `json:"duration_us"`
	Status     int64 `json:"status"` // responses that were not what was asked for
	Connect    int64 `json:"connect"`
	Read       int64 `json:"read"`
	Write      int64 `json:"write"`
	Timeout    int64 `json:"timeout"`
	P50US      int64 `json:"p50_us"`
	P99US      int64 `json:"p99_us"`
}

// parseSummary reads the line, behind whatever else was printed.
func parseSummary(out []byte) (Result, error) {
	at := bytes.LastIndex(out, []byte(`{"requests"`))
	if at < 0 {
		return Result{}, errors.New("no summary line")
	}
	var line Summary
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

// own returns the command line of one of our own programs, which take the same
// flags.
func (g Generator) own(program string, s Spec, url string, d time.Duration) []string {
	return []string{
		g.Bin + "/" + program, "-c", strconv.Itoa(s.Connections), "-m", strconv.Itoa(max(1, s.Streams)),
		"-d", d.String(), url,
	}
}

func wholeSeconds(d time.Duration) int {
	return max(1, int(d.Round(time.Second)/time.Second))
}
