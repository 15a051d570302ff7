package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestLogKeepsRecords(t *testing.T) {
	log := NewLog()
	logger := slog.New(log.Handler(slog.NewTextHandler(new(bytes.Buffer), &slog.HandlerOptions{Level: slog.LevelInfo}), "pid"))
	logger.Debug("not wanted")
	logger.With("worker", 3, "pid", 77).WithGroup("g").Error("failed", "error", errors.New("why"), "n", 1)
	logger.Warn("bytes", "raw", "\xff", slog.Group("in", "a", "b"))
	logger.Log(t.Context(), slog.LevelError+4, "the end")
	got, cursor, _ := log.find(&logQuery{limit: 10})
	if len(got) != 3 || cursor != 3 {
		t.Fatalf("%+v", got)
	}
	first := got[0]
	if first.Level != "ERROR" || first.Source != "worker" || first.Worker != 77 || first.Message != "failed" ||
		fmt.Sprint(first.Fields) != "map[g.error:why g.n:1 worker:3]" {
		t.Errorf("%+v", first)
	}
	if got[1].Level != "WARNING" || got[1].Source != "server" || fmt.Sprint(got[1].Fields) != "map[in.a:b raw:\uFFFD]" {
		t.Errorf("%+v", got[1])
	}
	if got[2].Level != "CRITICAL" {
		t.Errorf("%+v", got[2])
	}
	if last := log.LastError(77); last == nil || last.Message != "failed" || log.LastError(78) != nil {
		t.Errorf("%+v", last)
	}
	if all, _ := log.Errors(time.Now()); len(all) != 2 || all[0].Message != "the end" {
		t.Errorf("%+v", all)
	}
}

func TestLogIsBounded(t *testing.T) {
	log := NewLog()
	for i := range 3 * logRecords {
		log.Append(LogRecord{Level: "ERROR", Message: strings.Repeat("x", i%(2*logErrors)), Worker: i + 1})
	}
	if n := len(log.records); n != logRecords || len(log.errors.groups) != logErrors || len(log.last) > lastErrors {
		t.Errorf("%d records, %d errors, %d workers", n, len(log.errors.groups), len(log.last))
	}
	for range 1000 {
		log.Append(LogRecord{Level: "INFO", Message: cut(strings.Repeat("y", 1<<20))})
	}
	if log.bytes > logBytes {
		t.Errorf("%d bytes", log.bytes)
	}
	sum := 0
	for i := range log.records {
		sum += log.records[i].size()
	}
	if sum != log.bytes {
		t.Errorf("%d bytes counted, %d there", log.bytes, sum)
	}
	if _, _, lost := log.find(&logQuery{after: 5, limit: 1}); !lost {
		t.Error("what was forgotten is not said to be lost")
	}
}

func TestLogs(t *testing.T) {
	log := NewLog()
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 10 {
		r := LogRecord{Time: begin.Add(time.Duration(i) * time.Minute), Level: levels[i%5], Source: "server", Message: fmt.Sprint("message ", i)}
		if i%2 == 1 {
			r.Source, r.Worker, r.Fields = "worker", 70+i, map[string]string{"where": "Needle"}
		}
		log.Append(r)
	}
	h := newMonitor(t, Options{Log: log}).Handler(application)
	for q, want := range map[string]string{
		"":                                  "0 1 2 3 4 5 6 7 8 9",
		"limit=3":                           "7 8 9",
		"cursor=4":                          "4 5 6 7 8 9",
		"cursor=4&limit=2":                  "4 5",
		"cursor=10":                         "",
		"cursor=999":                        "0 1 2 3 4 5 6 7 8 9", // of a server before this one
		"level=error":                       "3 4 8 9",
		"level=ERROR&source=worker":         "3 9",
		"worker=75":                         "5",
		"text=nEEdle&limit=2":               "7 9",
		"text=message+3":                    "3",
		"since=" + "2026-01-02T03:12:00Z":   "8 9",
		"since=" + fmt.Sprint(begin.Unix()): "0 1 2 3 4 5 6 7 8 9",
		"since=1h":                          "",
		"level=&text=":                      "0 1 2 3 4 5 6 7 8 9",
	} {
		got := ask(t, h, query{target: "/asteri-status/logs?" + q, fields: bearerToken})
		var page LogPage
		if err := json.Unmarshal(got.Body, &page); err != nil || got.Status != 200 {
			t.Fatalf("%s: %d %v", q, got.Status, err)
		}
		var names []string
		for _, r := range page.Records {
			names = append(names, strings.TrimPrefix(r.Message, "message "))
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s: %v, want %s", q, names, want)
		}
	}
	for _, q := range []string{"limit=0", "limit=1001", "limit=x", "cursor=-1", "level=loud", "source=x", "worker=x", "since=yesterday", "text=%", "levl=yesterday", "limit=1&limit=2"} {
		got := ask(t, h, query{target: "/asteri-status/logs?" + q, fields: bearerToken})
		if got.Status != 400 || strings.Contains(string(got.Body), "yesterday") {
			t.Errorf("%s: %d %s", q, got.Status, got.Body)
		}
	}
}

func FuzzLogQuery(f *testing.F) {
	f.Add("cursor=1&level=error&since=5m&text=x&limit=7&worker=2&source=worker")
	f.Fuzz(func(t *testing.T, raw string) {
		q, wrong := readLogQuery([]byte(raw))
		if wrong == "" && (q.limit < 1 || q.limit > maxLogLimit || q.rank < 0) {
			t.Errorf("%q: %+v", raw, q)
		}
		if _, err := url.ParseQuery(raw); err != nil && wrong == "" {
			t.Errorf("%q is taken", raw)
		}
	})
}
