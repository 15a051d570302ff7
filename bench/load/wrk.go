package load

import (
	"strconv"
	"time"
)

// wrk returns the command line. One thread: on two cores a second one would
// only take the server's place.
func (g Generator) wrk(s Spec, url string, d time.Duration) []string {
	argv := []string{
		"wrk", "-t1", "-c" + strconv.Itoa(s.Connections),
		"-d" + strconv.Itoa(wholeSeconds(d)) + "s",
		"--timeout", "10s", "-s", g.Script,
	}
	for _, f := range s.Fields {
		argv = append(argv, "-H", f)
	}
	return append(argv, url, "--", strconv.Itoa(max(1, s.Pipeline)))
}
