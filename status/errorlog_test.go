package status

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Errors that are alike but for numbers are one, and are counted however many there are.
func TestErrorsAreGrouped(t *testing.T) {
	log := NewLog()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fail := func(at time.Time, raised string) {
		log.Append(LogRecord{Time: at, Level: "ERROR", Message: "the application failed", Fields: map[string]string{"error": raised}})
	}
	fail(now.Add(-time.Hour), "ValueError: old")
	for i := range 3 * logErrors {
		fail(now.Add(-time.Minute), fmt.Sprintf("KeyError: %d of\nmany", i))
	}
	fail(now, "ValueError: new")
	all, recent := log.Errors(now)
	if len(all) != 3 || recent != 3*logErrors+1 {
		t.Fatalf("%d groups, %d recent errors", len(all), recent)
	}
	if g := all[1]; g.Count != 3*logErrors || !g.First.Equal(now.Add(-time.Minute)) || g.Fields["error"] != "KeyError: 149 of\nmany" || g.ID != 2 || g.Cursor != 151 {
		t.Errorf("%+v", g)
	}
	if all[0].Fields["error"] != "ValueError: new" || all[2].Fields["error"] != "ValueError: old" {
		t.Errorf("%+v", all)
	}
	if _, recent := log.Errors(now.Add(recentError - recentStep)); recent != 1 {
		t.Errorf("%d errors are recent after a while", recent)
	}
	if _, recent := log.Errors(now.Add(time.Hour)); recent != 0 {
		t.Errorf("%d errors are recent after an hour", recent)
	}
}

// What the page shows of an error before it is opened is short, whatever it is, and begins
// with what was raised.
func TestErrorRowsAreShort(t *testing.T) {
	long := strings.Repeat("x", 5000)
	doc := &Report{Errors: []ErrorGroup{{Count: 1200, LogRecord: LogRecord{
		Message: "the application failed", Fields: map[string]string{"error": "ValueError: " + long + "\n" + long, "method": "GET", "path": "/" + long, "traceback": long},
	}}, {Count: 1, LogRecord: LogRecord{Message: "first\nsecond " + long}}}}
	html := string((&pageData{view: view{Doc: doc}}).ErrorRows())
	for summary := range strings.SplitSeq(html, "<summary>") {
		if summary, _, ok := strings.Cut(summary, "</summary>"); ok && len(summary) > 600 {
			t.Errorf("a summary of %d bytes", len(summary))
		}
	}
	for _, want := range []string{"<em>1,200 times</em> <b>ValueError: xxx", "first </summary>", "<pre>first\nsecond xxx"} {
		if !strings.Contains(html, want) {
			t.Errorf("there is no %q in %.500s", want, html)
		}
	}
}
