package status

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// evil is what must never become a part of the page.
const evil = `"><script>alert(1)</script>`

// crowded reports a busy server: 64 workers and 10,000 requests in flight.
func crowded() *Report {
	doc := &Report{
		Time: time.Unix(1_700_000_000, 0), Ready: true, Application: Application{Name: "shop:app" + evil},
		Queue: &Queue{900, 1024}, InFlight: 10_000, WebSockets: &WebSockets{Open: 1},
		Host: Host{CPUs: 2, Load: [3]float64{9, 1, 1}, Memory: 100, Available: 1},
	}
	for i := range 64 {
		doc.Workers = append(doc.Workers, Worker{
			PID: 1000 + i, State: "BUSY", Model: "asgi", App: "shop:app", LastError: &LogRecord{Message: evil, Fields: map[string]string{"error": evil}},
			Recycling: &Recycling{10, 5},
		})
	}
	doc.Workers[0].State = "RESTARTING"
	for range MaxRequests {
		doc.Requests = append(doc.Requests, Request{Method: "GET", Path: "/a/path/of/some/length" + evil, Protocol: "HTTP/2", Age: 12, State: "RUNNING", Worker: 1001})
	}
	for range logErrors {
		doc.Errors = append(doc.Errors, ErrorGroup{Count: 2, LogRecord: LogRecord{Time: doc.Time, Level: "ERROR", Message: evil, Fields: map[string]string{"error": evil, "path": evil, "traceback": strings.Repeat(evil, 10)}}})
	}
	doc.RecentErrors = 1234
	doc.Certificates = []Certificate{{Name: "a.example" + evil, NotAfter: doc.Time.Add(-time.Hour)}, {Name: "b.example", NotAfter: doc.Time.Add(time.Hour), Ends: true}}
	for i := range 100 {
		doc.Configuration = append(doc.Configuration, Setting{fmt.Sprint("setting_", i), evil, "default"})
	}
	for i := range MaxRoutes {
		doc.Memory = append(doc.Memory, RouteMemory{Method: "GET", Route: "/leak" + evil, App: "shop:app", At: "/shop", Requests: 7, Grown: int64(20-i) << 20, Most: 1 << 20})
	}
	doc.Memory[1].Route = ""
	h := &History{}
	for i := range historyLength {
		h.Requests, h.Errors, h.InFlight = append(h.Requests, uint64(i%50)), append(h.Errors, 1), append(h.InFlight, i)
		h.P50, h.P99 = append(h.P50, 0.01), append(h.P99, 0.1)
	}
	doc.History = h
	doc.Loops = []Loop{{Lag: 1}}
	doc.Traffic.Classes = []Rates{{Name: "5xx", Rate: 1}, {Name: "none"}}
	doc.Traffic.All.Rate = 10
	return doc
}

// The page in both languages says everything, and lets nothing in.
func TestPage(t *testing.T) {
	for l := range numLanguages {
		for _, everything := range []bool{false, true} {
			d := pageData{view: view{Doc: crowded().view(everything), Lang: l, Full: everything}, Path: "/asteri-status", Query: map[string][]string{
				"text": {evil}, "worker": {evil}, "done": {evil}, "level": {evil}, "source": {evil},
			}}
			log := NewLog()
			log.Append(LogRecord{Level: "ERROR", Source: "server", Message: evil})
			page, err := d.render(log.find)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(page, []byte("<script")); n != 1 {
				t.Errorf("%d scripts", n)
			}
			if bytes.Contains(page, []byte("ZgotmplZ")) || bytes.Contains(page, []byte("%!")) {
				t.Error("the page has something that does not belong there")
			}
			if everything != bytes.Contains(page, []byte(`name="csrf"`)) || everything != bytes.Contains(page, []byte("/a/path/of/some/length")) {
				t.Error("the page does not fit who sees it")
			}
			if n := bytes.Count(page, []byte("/leak")); n != (maxBlamed-1)*index(everything) { // one has no route
				t.Errorf("%d routes", n)
			}
			if n := len(pack(page)); n > 60<<10 {
				t.Errorf("%d bytes on the wire", n)
			}
		}
	}
}

// What the policy lets run is what is in the page.
func TestPolicyFitsThePage(t *testing.T) {
	h := newMonitor(t, Options{}).Handler(application)
	got := ask(t, h, query{target: "/asteri-status", fields: []string{"Accept-Encoding", "gzip"}})
	if string(got.Header.Get("Content-Encoding")) != "gzip" {
		t.Fatal("not compressed")
	}
	r, err := gzip.NewReader(bytes.NewReader(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	rules := string(got.Header.Get("Content-Security-Policy"))
	for _, tag := range []string{"style", "script"} {
		inner := regexp.MustCompile(`(?s)<` + tag + `>(.*)</` + tag + `>`).FindSubmatch(page)
		sum := sha256.Sum256(inner[1])
		if !strings.Contains(rules, tag+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
			t.Errorf("the policy stops the page's own %s: %s", tag, rules)
		}
	}
	if bytes.Contains(page, []byte("style=")) || regexp.MustCompile(`\bon[a-z]+=`).Match(page[bytes.Index(page, []byte("<body")):bytes.Index(page, []byte("<script>"))]) {
		t.Error("the policy stops attributes that hold code or style")
	}
	if outside := regexp.MustCompile(`(?:src|href)="(?:https?:)?//`).Find(page); outside != nil {
		t.Errorf("the page asks another server: %s", outside)
	}
}

func TestLanguages(t *testing.T) {
	for key, both := range words {
		for l, text := range both {
			if text == "" || strings.Count(text, "%") != strings.Count(both[0], "%") {
				t.Errorf("%s in %s: %q", key, tags[l], text)
			}
		}
	}
	for accept, want := range map[string]string{
		"": "en", "id": "id", "id-ID,id;q=0.9,en;q=0.8": "id", "en, id;q=0.5": "en", "de, id;q=0.2": "id", "in": "en", "id;q=0": "en", "id;q=x": "en", ";;,": "en",
	} {
		r := &asteri.Request{}
		r.Header.Add("Accept-Language", accept)
		if got := languageOf(r, nil).Tag(); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
		if got := languageOf(r, map[string][]string{"lang": {"id"}}).Tag(); got != "id" {
			t.Errorf("asked for id: %s", got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{english.count(1234567), "1,234,567"}, {indonesian.count(uint64(1234567)), "1.234.567"}, {english.count(-1234), "-1,234"}, {english.count(999), "999"},
		{english.rate(12.34), "12.3"}, {indonesian.rate(12.34), "12,3"}, {english.rate(1234.5), "1,234"}, {english.rate(0), "0"},
		{english.percent(0.5), "50 %"}, {indonesian.percent(0.012), "1,2 %"},
		{english.size(512), "512 B"}, {english.size(1536), "1.5 KiB"}, {indonesian.size(3 << 30), "3,0 GiB"},
		{english.span(0), "0 s"}, {english.span(0.00025), "0.25 ms"}, {english.span(0.0042), "4.2 ms"}, {english.span(0.42), "420 ms"}, {english.span(4.2), "4.2 s"},
		{english.span(42), "42 s"}, {english.span(125), "2 min 05 s"}, {indonesian.span(3725), "1 j 02 mnt"}, {english.span(90000), "1 d 01 h"}, {indonesian.span(90000), "1 h 01 j"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
}

func TestProblems(t *testing.T) {
	if found := problems(&Report{Ready: true, Workers: []Worker{{State: "IDLE"}}}, english); len(found) != 0 {
		t.Errorf("a healthy server: %+v", found)
	}
	var texts []string
	for _, p := range problems(crowded(), english) {
		texts = append(texts, p.Text)
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"900 of 1,024 places", "10 % of the answers", "Loop 0 lags", "Workers being replaced: 1", "in flight for 12 s", "last five minutes: 1,234", "1 B of memory", "load, 9.0", "has expired (2023-11-14", "b.example expires in 1 h"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
	unready := problems(&Report{Reason: "starting"}, indonesian)
	if len(unready) != 1 || !unready[0].Bad || !strings.Contains(unready[0].Text, "starting") {
		t.Errorf("%+v", unready)
	}
}
