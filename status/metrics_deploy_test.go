package status

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What deploy/ asks Prometheus for is served. scripts/promtool.sh checks the rest.
func TestDeployedExpressionsNameMetrics(t *testing.T) {
	known := map[string]bool{"go_memstats_heap_inuse_bytes": true}
	labels := []string{"instance", "le"}
	for _, m := range Metrics() {
		known[m.Name] = true
		labels = append(labels, m.Labels...)
		if m.Type == typeHistogram {
			known[m.Name+"_bucket"] = true
		}
	}
	for _, file := range []string{"../deploy/grafana/asteri-loop.json", "../deploy/prometheus/alerts.yml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is no JSON", file)
		}
		names := regexp.MustCompile(`\b(asteri|go|http_server)_[a-z_0-9]+`).FindAllString(string(text), -1)
		if len(names) < 15 {
			t.Errorf("%s names %d metrics", file, len(names))
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
		for _, by := range regexp.MustCompile(`\bby \(([^)]*)\)`).FindAllStringSubmatch(string(text), -1) {
			for label := range strings.SplitSeq(by[1], ", ") {
				if !slices.Contains(labels, label) {
					t.Errorf("%s: there is no label %q", file, label)
				}
			}
		}
	}
}
