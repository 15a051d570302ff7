package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// events takes a stream apart: name and data of each.
func events(t *testing.T, stream []byte) (all [][2]string) {
	t.Helper()
	for block := range strings.SplitSeq(strings.TrimSuffix(string(stream), "\n\n"), "\n\n") {
		var e [2]string
		for line := range strings.SplitSeq(block, "\n") {
			if name, ok := strings.CutPrefix(line, "event: "); ok {
				e[0] = name
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				e[1] = data
			}
		}
		if e[0] != "" {
			all = append(all, e)
		}
	}
	return all
}

func TestEvents(t *testing.T) {
	m := newMonitor(t, Options{})
	m.events.period /= 100
	h := m.Handler(application)
	x := query{target: "/asteri-status/events"}.exchange(t, exchangetest.NewExecutor(t))
	x.Serve(h)
	exchangetest.Eventually(t, "three events", func() bool { return len(events(t, x.Content())) >= 3 })
	m.Close()
	got := x.Wait()
	if ct := string(got.Header.Get("Content-Type")); got.Status != 200 || ct != "text/event-stream; charset=utf-8" {
		t.Errorf("%d %s", got.Status, ct)
	}
	s := compiled(t, "")
	for _, e := range events(t, got.Body) {
		if e[0] != "snapshot" {
			t.Errorf("event %s", e[0])
		}
		validate(t, s, []byte(e[1]))
		if strings.Contains(e[1], `"configuration"`) {
			t.Error("a guest sees the configuration")
		}
	}
	if got := ask(t, h, query{target: "/asteri-status/events"}); got.Status != 503 {
		t.Errorf("a stream after the end: %d", got.Status)
	}
}

// The page's own events hold what has changed, and in the language asked for.
func TestPageEvents(t *testing.T) {
	m := newMonitor(t, Options{})
	m.events.period /= 100
	x := query{target: "/asteri-status/events?as=html&lang=id", fields: bearerToken}.exchange(t, exchangetest.NewExecutor(t))
	x.Serve(m.Handler(application))
	exchangetest.Eventually(t, "an event", func() bool { return len(events(t, x.Content())) >= 1 })
	m.Close()
	for i, e := range events(t, x.Wait().Body) {
		var sections map[string]string
		if err := json.Unmarshal([]byte(e[1]), &sections); e[0] != "page" || err != nil {
			t.Fatalf("%v, %v", e, err)
		}
		if i == 0 && (len(sections) != len(fullSections) || !strings.Contains(sections["health"], "aktif")) {
			t.Errorf("%d sections, %s", len(sections), sections["health"])
		}
		if i > 0 && sections["config"] != "" {
			t.Error("what has not changed is sent again")
		}
	}
}

// A thousand listeners who do not read: few are let in, and what waits for each of
// them is bounded. Those with the token still find places.
func TestSlowReaders(t *testing.T) {
	big := strings.Repeat("x", 16<<10)
	m := newMonitor(t, Options{Report: func() Report { return Report{Reason: big, Application: Application{Name: big}} }})
	m.events.period /= 1000
	h := m.Handler(application)
	e := exchangetest.NewExecutor(t)
	var in []*exchangetest.Exchange
	refused := 0
	for range 1000 {
		x := query{target: "/asteri-status/events"}.exchange(t, e)
		x.Hold()
		x.Serve(h)
		if x.Ended() {
			if got := x.Wait(); got.Status != 503 || !got.Header.Has("Retry-After") {
				t.Fatalf("%d", got.Status)
			}
			refused++
			continue
		}
		in = append(in, x)
	}
	if len(in) != maxListeners || refused != 1000-maxListeners {
		t.Errorf("%d are in, %d refused", len(in), refused)
	}
	const bound = 64<<10 + 40<<10 // the low-water mark, and one frame beyond it
	exchangetest.Eventually(t, "they are full", func() bool {
		for _, x := range in {
			if n := x.Unsent(); n < 64<<10 {
				return false
			} else if n > bound {
				t.Fatalf("%d bytes wait for one", n)
			}
		}
		return true
	})
	operator := query{target: "/asteri-status/events", fields: bearerToken}.exchange(t, e)
	operator.Serve(h)
	exchangetest.Eventually(t, "the operator gets events", func() bool { return len(events(t, operator.Content())) > 2 })
	if n := in[0].Unsent(); n > bound {
		t.Errorf("%d bytes wait for a slow reader", n)
	}
	before := len(in[0].Content())
	in[0].Release()
	exchangetest.Eventually(t, "one that reads again gets events again", func() bool { return len(in[0].Content()) > before })
	in[1].Cancel(fmt.Errorf("gone"))
	exchangetest.Eventually(t, "its place is free", func() bool {
		x := query{target: "/asteri-status/events"}.exchange(t, e)
		x.Serve(h)
		return !x.Ended()
	})
}

func TestLogStream(t *testing.T) {
	log := NewLog()
	m := newMonitor(t, Options{Log: log})
	m.tails.period /= 100
	say := func(level, text string) { log.Append(LogRecord{Level: level, Source: "server", Message: text}) }
	say("INFO", "before")
	say("ERROR", "bad before")
	x := query{target: "/asteri-status/logs/stream?level=error", fields: bearerToken}.exchange(t, exchangetest.NewExecutor(t))
	x.Serve(m.Handler(application))
	exchangetest.Eventually(t, "what was there", func() bool { return bytes.Contains(x.Content(), []byte("bad before")) })
	say("INFO", "after")
	say("CRITICAL", "bad after\ndata: forged")
	exchangetest.Eventually(t, "what comes", func() bool { return bytes.Contains(x.Content(), []byte("bad after")) })
	m.Close()
	got := events(t, x.Wait().Body)
	if len(got) != 2 || got[0][0] != "log" || strings.Contains(got[1][1], "\n") {
		t.Errorf("%q", got)
	}
	// A browser that was cut off says what it has.
	m2 := newMonitor(t, Options{Log: log})
	y := query{target: "/asteri-status/logs/stream", fields: append([]string{"Last-Event-ID", "3"}, bearerToken...)}.exchange(t, exchangetest.NewExecutor(t))
	y.Serve(m2.Handler(application))
	exchangetest.Eventually(t, "the rest", func() bool { return len(events(t, y.Content())) > 0 })
	if got := events(t, y.Content()); len(got) != 1 || !strings.Contains(got[0][1], "bad after") {
		t.Errorf("%q", got)
	}
}

// A client that sends nothing more has left, as far as anybody can tell: its stream
// ends, and its connection with it.
func TestStreamsEndWithTheirClients(t *testing.T) {
	m := newMonitor(t, Options{Log: NewLog()})
	h := m.Handler(application)
	e := exchangetest.NewExecutor(t)
	for _, target := range []string{"/asteri-status/events", "/asteri-status/events?as=html", "/asteri-status/logs/stream"} {
		x := query{target: target, fields: bearerToken}.exchange(t, e)
		x.Serve(h)
		x.Cancel(asteri.ErrHalfClosed)
		if !x.Ended() {
			t.Errorf("%s goes on", target)
		}
		if got := x.Wait(); got.Status != 200 || got.Err != nil {
			t.Errorf("%s: %d, %v", target, got.Status, got.Err)
		}
	}
}
