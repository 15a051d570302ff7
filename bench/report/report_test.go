package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func samples(cpu ...float64) []Sample {
	var all []Sample
	for i, v := range cpu {
		all = append(all, Sample{Round: i + 1, CPU: v, Rate: 1000 / v, Good: 100})
	}
	return all
}

func sampleCase() Case {
	c := Case{ID: "c", Title: "A <case>", Load: "64 connections", Servers: []Server{
		{ID: "ours", Name: "ours", Ours: true, Command: "ours -x", Samples: samples(5, 20, 6)},
		{ID: "peer", Name: "peer & co", Command: "peer", Samples: samples(10, 20, 10)},
		{ID: "gone", Name: "gone", Problem: "not\ninstalled"},
	}}
	for _, t := range []Target{
		{Ours: "ours", Metric: CPU, Reference: "peer", Limit: 0.6},
		{Ours: "ours", Metric: Rate, Reference: "peer", Limit: 2},
		{Ours: "ours", Metric: CPU, Reference: "gone", Limit: 1},
		{Ours: "ours", Metric: CPU, Limit: 6},
	} {
		c.Verdicts = append(c.Verdicts, c.Judge(t))
	}
	return c
}

func TestJudge(t *testing.T) {
	v := sampleCase().Verdicts
	// Within the rounds the ratios are 0.5, 1 and 0.6.
	if got := v[0]; !got.Met || *got.Value != (Spread{Median: 0.6, Min: 0.5, Max: 1}) {
		t.Errorf("CPU verdict %+v, value %+v", got, got.Value)
	}
	if got := v[1]; got.Met || got.Value.Max != 2 {
		t.Errorf("rate verdict %+v, value %+v", got, got.Value)
	}
	if got := v[2]; got.Met || got.Value != nil {
		t.Errorf("verdict on a server without figures: %+v", got)
	}
	if got := v[3]; !got.Met || got.Value.Median != 6 {
		t.Errorf("absolute verdict %+v, value %+v", got, got.Value)
	}
}

func TestJudgePairsRounds(t *testing.T) {
	c := Case{Servers: []Server{
		{ID: "a", Samples: []Sample{{Round: 2, CPU: 30}}}, // no first round
		{ID: "b", Samples: []Sample{{Round: 1, CPU: 1}, {Round: 2, CPU: 10}}},
	}}
	v := c.Judge(Target{Ours: "a", Metric: CPU, Reference: "b", Limit: 1})
	if v.Value == nil || v.Value.Median != 3 {
		t.Errorf("value %+v, want 3", v.Value)
	}
}

func TestSpreadOfEven(t *testing.T) {
	if s, ok := spreadOf([]float64{4, 1, 3, 2}); !ok || s != (Spread{Median: 2.5, Min: 1, Max: 4}) {
		t.Errorf("spread %+v", s)
	}
	if _, ok := spreadOf(nil); ok {
		t.Error("a spread of nothing")
	}
}

func TestOutputs(t *testing.T) {
	r := Report{Date: "today", Command: "bench", Revision: "abc", Rounds: 3, Seconds: 1, Cases: []Case{sampleCase()}}
	if r.Complete() {
		t.Error("complete, though a server gave nothing")
	}
	var page, chart, data bytes.Buffer
	for _, err := range []error{r.WriteMarkdown(&page, "c.svg"), r.WriteChart(&chart), r.WriteJSON(&data)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"| A <case> | ours | 0.60 (0.50–1.00) | CPU us/request ≤ 0.6 × peer & co | met |",
		"| requests/s ≥ 2 × peer & co | **falls short** |",
		"| not measured |",
		"| **ours** | 6 (5–20) |",
		"- gone: not installed",
		"- peer & co: `peer`",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
	var back Report
	if err := json.Unmarshal(data.Bytes(), &back); err != nil || len(back.Cases[0].Servers[0].Samples) != 3 {
		t.Errorf("JSON does not come back: %v", err)
	}
	bars := 0
	for dec := xml.NewDecoder(&chart); ; {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "line" {
			bars++
		}
	}
	if bars != 2 {
		t.Errorf("%d bars in the chart, want 2", bars)
	}
}

// What a server tells of itself is judged by the slowest path, and has rows for each.
func TestScrapes(t *testing.T) {
	c := Case{ID: "s", Title: "Scraped", Servers: []Server{{ID: "ours", Name: "ours", Ours: true, Samples: []Sample{
		{Round: 1, Rate: 500, Scrapes: []Scrapes{{Path: "/a", Count: 7, P50: 1, P99: 30, Max: 31, Bytes: 100}, {Path: "/b", Count: 7, P50: 2, P99: 10}}},
		{Round: 2, Rate: 700, Scrapes: []Scrapes{{Path: "/a", Count: 8, P50: 3, P99: 5, Max: 9, Bytes: 300}, {Path: "/b", Count: 7, P50: 2, P99: 60}}},
	}}, {ID: "gone", Name: "gone"}}}
	v := c.Judge(Target{Ours: "ours", Metric: Scrape, Limit: 50})
	if !v.Met || *v.Value != (Spread{Median: 45, Min: 30, Max: 60}) {
		t.Errorf("%+v, %+v", v, v.Value)
	}
	if v := c.Judge(Target{Ours: "ours", Metric: Scrape, Limit: 44}); v.Met {
		t.Error("45 ms are not 44")
	}
	c.Verdicts = append(c.Verdicts, v)
	var page bytes.Buffer
	if err := (Report{Cases: []Case{c}}).WriteMarkdown(&page, "c.svg"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| Scraped | ours | 45 (30–60) | ms for 99 of 100 answers ≤ 50 | met |",
		"| **ours** | `/a` | 2 (1–3) | 17.5 (5–30) | 20 (9–31) | 200 (100–300) | 7.5 (7–8) | 600 (500–700) |",
		"| **ours** | `/b` | 2 | 35 (10–60) | – | – | 7 | 600 (500–700) |",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.8412: "0.841", 9.456: "9.46", 47312: "47300", 1048.6: "1050"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}
