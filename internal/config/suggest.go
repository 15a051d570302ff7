package config

import "strings"

// elsewhere are uvicorn's names of options, with what does the same here. Names that are
// near to ours are left out: they are found by that.
var elsewhere = map[string]string{
	"host":                          "--bind HOST:PORT",
	"port":                          "--bind HOST:PORT",
	"uds":                           "--bind unix:PATH",
	"fd":                            "--bind fd://N",
	"app-dir":                       "--chdir DIR",
	"factory":                       "APP with (): module:create_app()",
	"access-log":                    "--access-logfile -",
	"no-access-log":                 "--access-logfile none",
	"proxy-headers":                 "--forwarded-allow-ips, by default this machine's addresses",
	"no-proxy-headers":              "--forwarded-allow-ips with an address that nobody has",
	"timeout-keep-alive":            "--keep-alive TIME",
	"timeout-graceful-shutdown":     "--graceful-timeout TIME",
	"limit-concurrency":             "--worker-connections INT and --queue-size INT",
	"h11-max-incomplete-event-size": "--limit-request-head SIZE",
	"loop":                          "--asgi-loop NAME",
	"ws-per-message-deflate":        "--websocket-compression MODE",
	"ssl-keyfile":                   "--keyfile FILE",
	"ssl-certfile":                  "--certfile FILE",
	"ssl-ca-certs":                  "--ca-certs FILE",
	"ssl-cert-reqs":                 "--cert-reqs 0|1|2",
	"ssl-ciphers":                   "--ciphers LIST",
}

// didYouMean returns `; did you mean "x"?` for the candidate nearest to word,
// or nothing if none is near. prefix is put before the candidate.
func didYouMean(word string, candidates []string, prefix string) string {
	best, bestDistance := "", len(word)/3+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + prefix + best + `"?`
}

// distance is the number of insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
