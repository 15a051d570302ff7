package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// observed is the record of a request that was answered at a time.
func observed(t testing.TB, e *exchangetest.Executor, at time.Time, target string, status int, err error) *asteri.Record {
	x := query{target: target}.exchange(t, e)
	r := x.Request()
	r.Received = at.Add(-time.Millisecond)
	r.Handling = asteri.Handling{ID: "id-of-" + target, Worker: 4711, Model: "sync", Queued: 200 * time.Microsecond, Worked: 300 * time.Microsecond}
	return &asteri.Record{
		Request: r, Peer: r.Peer, Home: e, Status: status, Duration: time.Millisecond, Sending: 100 * time.Microsecond,
		BytesIn: 1, BytesOut: 2, BytesSent: 3, Err: err,
	}
}

// A request shows with what its line in the access log says.
func TestRequestsAreInTheLog(t *testing.T) {
	m := newMonitor(t, Options{Log: NewLog()})
	h := m.Handler(application)
	e := exchangetest.NewExecutor(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m.ExchangeDone(observed(t, e, at, "/well?a=%22", 200, nil))
	m.ExchangeDone(observed(t, e, at, "/missing", 404, nil))
	m.ExchangeDone(observed(t, e, at, "/late", 504, &asteri.StatusError{Code: 504, Reason: "too late"}))
	m.ExchangeDone(observed(t, e, at, "/gone", 200, asteri.ErrClientGone))
	m.ExchangeDone(observed(t, e, at, "/broken", 200, errors.New("its worker died")))
	m.ExchangeDone(&asteri.Record{Peer: &asteri.Peer{Network: "tcp"}, Status: 400, Err: &asteri.StatusError{Code: 400, Reason: "malformed"}})

	read := func(query string) (page LogPage, said string) {
		got := ask(t, h, queryOf("/asteri-status/logs?"+query))
		if err := json.Unmarshal(got.Body, &page); err != nil || got.Status != 200 {
			t.Fatalf("%s: %d, %v", query, got.Status, err)
		}
		for _, r := range page.Records {
			said += r.Level + " " + r.Message + "; "
		}
		return page, said
	}
	page, said := read("source=access")
	if want := "INFO GET /well?a=%22 HTTP/1.1 200; WARNING GET /missing HTTP/1.1 404; ERROR GET /late HTTP/1.1 504; " +
		"WARNING GET /gone HTTP/1.1 200; ERROR GET /broken HTTP/1.1 200; WARNING - - - 400; "; said != want {
		t.Errorf("\n got %s\nwant %s", said, want)
	}
	first := page.Records[0]
	if !first.Time.Equal(at) || first.Worker != 4711 || first.Source != "access" || first.Cursor != 1 {
		t.Errorf("%+v", first)
	}
	if got, want := fmt.Sprint(first.Fields), "map[app_time:0.000300 bytes_in:1 bytes_out:2 bytes_sent:3 duration:0.001000 host:localhost:8000 "+
		"model:sync outcome:ok queue_time:0.000200 remote:127.0.0.1 request_id:id-of-/well?a=%22 scheme:http send_time:0.000100 status:200]"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if page, said = read("source=access&level=error&text=LATE"); page.Cursor != 6 || said != "ERROR GET /late HTTP/1.1 504; " {
		t.Errorf("%d, %s", page.Cursor, said)
	}
	if _, said = read("source=access&cursor=5"); said != "WARNING - - - 400; " {
		t.Errorf("%s", said)
	}
	if page, _ = read(""); len(page.Records) != 0 {
		t.Errorf("they are among the others: %+v", page)
	}
}

func queryOf(target string) query { return query{target: target, fields: bearerToken} }

// Of many only some are kept, failures among them, and it is known how many were not.
func TestRequestLogIsSampled(t *testing.T) {
	e, other := exchangetest.NewExecutor(t), exchangetest.NewExecutor(t)
	l := newRequestLog(asItIs)
	at := time.Now().Add(time.Hour) // when nobody will have looked for long
	well, failed := observed(t, e, at, "/", 200, nil), observed(t, e, at, "/bad", 500, nil)
	for range 1000 {
		l.add(well)
		l.add(failed)
	}
	elsewhere := observed(t, other, at, "/elsewhere", 200, nil)
	l.add(elsewhere)
	found, cursor, _ := l.find(&logQuery{limit: maxLogLimit})
	if bad := strings.Count(fmt.Sprint(found), "GET /bad "); bad != requestBurst || len(found) != 2*requestBurst+1 || cursor != 2*requestBurst+1 {
		t.Fatalf("%d failures of %d, cursor %d", bad, len(found), cursor)
	}
	well.Request.Received = well.Request.Received.Add(requestEvery)
	for range 3 {
		l.add(well)
	}
	found, _, lost := l.find(&logQuery{limit: maxLogLimit, after: cursor})
	if len(found) != 1 || lost || found[0].Fields["left_out"] != fmt.Sprint(2*(1000-requestBurst)) {
		t.Errorf("%v, %+v", lost, found)
	}

	// Who looks on sees more.
	l.watchedUntil.Store(int64(awake.Of(at.Add(time.Hour))))
	for range 1000 {
		well.Request.Received = well.Request.Received.Add(watchedEvery)
		l.add(well)
	}
	if found, _, _ = l.find(&logQuery{limit: maxLogLimit, after: found[0].Cursor}); len(found) < 999 {
		t.Errorf("only %d of 1000", len(found))
	}
}

// What nobody asks for is bounded in number and bytes, and known to be lost.
func TestRequestLogIsBounded(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	l := newRequestLog(asItIs)
	at := time.Now().Add(time.Hour) // when nobody will have looked for long
	fill := func(n int, target string) {
		for range n {
			at = at.Add(requestEvery)
			l.add(observed(t, e, at, target, 200, nil))
		}
	}
	fill(3, "/")
	_, cursor, _ := l.find(&logQuery{limit: 10})
	fill(3*logRecords, "/")
	if len(l.waiting) != logRecords {
		t.Errorf("%d lines wait", len(l.waiting))
	}
	if found, now, lost := l.find(&logQuery{limit: 10, after: cursor}); !lost || now != found[9].Cursor || found[0].Cursor != 3+2*logRecords+1 {
		t.Errorf("%v, cursor %d, %d records", lost, now, len(found))
	}
	if _, now, lost := l.find(&logQuery{limit: maxLogLimit, after: 3 + 2*logRecords}); lost || now != 3+2*logRecords+maxLogLimit {
		t.Errorf("%v, cursor %d", lost, now)
	}
	fill(1000, "/"+strings.Repeat("x", 8<<10))
	sum := 0
	for _, line := range l.waiting {
		sum += len(line)
	}
	if sum != l.bytes || sum > waitingBytes || sum < waitingBytes/2 {
		t.Errorf("%d bytes, counted %d", sum, l.bytes)
	}
}

// What a busy loop pays for a request that is not kept.
func BenchmarkRequestNotKept(b *testing.B) {
	e := exchangetest.NewExecutor(b)
	l := newRequestLog(asItIs)
	l.paces.At(exchangetest.NewExecutor(b)) // not the first that is looked at
	r := observed(b, e, time.Now(), "/", 200, nil)
	for range 2 * requestBurst {
		l.add(r)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.add(r)
	}
}

// And for one that is.
func BenchmarkRequestKept(b *testing.B) {
	e := exchangetest.NewExecutor(b)
	l := newRequestLog(asItIs)
	r := observed(b, e, time.Now(), "/", 200, nil)
	b.ReportAllocs()
	for b.Loop() {
		r.Request.Received = r.Request.Received.Add(requestEvery)
		l.add(r)
	}
}

func asItIs(r *asteri.Record) *asteri.Record { return r }
