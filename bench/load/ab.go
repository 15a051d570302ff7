package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ab returns the command line. The count is out of reach: time ends the run.
// It stands after -t, which sets a count of its own, and ab reserves memory by it.
func ab(s Spec, url string, d time.Duration) []string {
	argv := []string{
		"ab", "-q", "-c", strconv.Itoa(s.Connections),
		"-t", strconv.Itoa(max(1, int(d.Round(time.Second)/time.Second))),
		"-n", "2000000", "-s", "10",
	}
	for _, f := range s.Fields {
		argv = append(argv, "-H", f)
	}
	return append(argv, url)
}

// parseAB reads the summary of ab: lines "Name:   value unit".
func parseAB(out []byte) (Result, error) {
	values := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), ":")
		if f := strings.Fields(value); ok && len(f) > 0 {
			values[name] = f[0]
		} else if f := strings.Fields(lines.Text()); len(f) == 2 && strings.HasSuffix(f[0], "%") {
			values[f[0]] = f[1] // a row of the latency table, in ms
		}
	}
	if values["Complete requests"] == "" || values["Time taken for tests"] == "" {
		return Result{}, errors.New("no summary")
	}
	var bad error
	number := func(name string) float64 {
		text, ok := values[name]
		if !ok {
			return 0 // ab leaves out lines that are zero
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			bad = fmt.Errorf("line %q: %w", name, err)
		}
		return v
	}
	failed := int64(number("Failed requests") + number("Non-2xx responses"))
	return Result{
		Good:    int64(number("Complete requests")) - failed,
		Bad:     failed,
		Elapsed: time.Duration(number("Time taken for tests") * float64(time.Second)),
		P50:     time.Duration(number("50%") * float64(time.Millisecond)),
		P99:     time.Duration(number("99%") * float64(time.Millisecond)),
	}, bad
}
