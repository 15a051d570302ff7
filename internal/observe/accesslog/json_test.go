package accesslog

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// handledSample is a sample with a value for every member of the JSON but "tunnel".
func handledSample() *asteri.Record {
	r := sample()
	r.Request.Authority = []byte("example.org")
	r.Request.Peer.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, ServerName: "example.org"}
	r.Request.Handling = asteri.Handling{
		ID: "abc", App: "/shop", Model: "gthread", Worker: 4711,
		Queued: 1500 * time.Microsecond, Worked: 250 * time.Millisecond,
		Trace: asteri.Trace{TraceID: [16]byte{0: 0xab, 15: 1}, SpanID: [8]byte{7: 2}},
	}
	r.Sending = 20 * time.Millisecond
	r.Err = &asteri.StatusError{Code: 504, Reason: `too "late"`}
	return r
}

const handledJSON = `{"time":"2026-11-22T16:40:00.834Z","request_id":"abc","trace_id":"ab000000000000000000000000000001","span_id":"0000000000000002",` +
	`"remote":"192.0.2.7","user":"alice","method":"GET","scheme":"https","host":"example.org","path":"/a%20b","query":"x=1&y=2","protocol":"HTTP/1.1",` +
	`"status":200,"bytes_in":3,"bytes_out":1234,"bytes_sent":1500,"duration":1.234567,"queue_time":0.001500,"app_time":0.250000,"send_time":0.020000,` +
	`"tls_version":"TLS 1.3","tls_cipher":"TLS_AES_128_GCM_SHA256","tls_sni":"example.org","worker":4711,"model":"gthread","app":"/shop",` +
	`"referer":"https://example.org/","user_agent":"curl/8","outcome":"refused","error":"504 Gateway Timeout: too \"late\""}`

func TestJSON(t *testing.T) {
	line := render(t, JSON, Options{Color: true}, handledSample())
	if line != handledJSON {
		t.Errorf("\n got %s\nwant %s", line, handledJSON)
	}
	var parsed map[string]any
	if err := json.Unmarshal([]byte(line), &parsed); err != nil || len(parsed) != len(members)-1 {
		t.Errorf("%v, %d members", err, len(parsed))
	}
}

func TestJSONOfARefusedHead(t *testing.T) {
	r := &asteri.Record{Peer: &asteri.Peer{Network: "unix"}, Status: 400, BytesSent: 90, Err: &asteri.StatusError{Code: 400, Reason: "malformed"}}
	want := `{"time":"2026-01-02T03:04:05.000Z","status":400,"bytes_in":0,"bytes_out":0,"bytes_sent":90,"duration":0.000000,"outcome":"refused","error":"400 Bad Request: malformed"}`
	if got := render(t, JSON, Options{}, r); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestOutcomes(t *testing.T) {
	for want, err := range map[string]error{
		"ok": nil, "client_gone": fmt.Errorf("lost: %w", asteri.ErrClientGone), "stopping": asteri.ErrStopping,
		"bad_response": &asteri.ResponseError{}, "panic": &asteri.PanicError{}, "failed": errors.New("x"),
	} {
		r := sample()
		r.Err = err
		if got := render(t, "%({outcome}x)s", Options{}, r); got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

func TestExtraAtoms(t *testing.T) {
	for format, want := range map[string]string{
		"%({request_id}x)s|%({trace_id}x)s|%({queue_time}x)s|%({app_time}x)s|%({worker}x)s|%({tls_sni}x)s": "abc|ab000000000000000000000000000001|0.001500|0.250000|4711|example.org",
		`"%({error}x)s" %({tunnel}x)s`: `"504 Gateway Timeout: too \"late\"" -`,
	} {
		if got := render(t, format, Options{}, handledSample()); got != want {
			t.Errorf("%s\n got %s\nwant %s", format, got, want)
		}
	}
	if got := render(t, "%({request_id}x)s %({worker}x)s %({error}x)s", Options{}, sample()); got != "- - -" {
		t.Errorf("without values: %s", got)
	}
	if _, err := Compile("%({none}x)s", Options{}); err == nil || !strings.Contains(err.Error(), "there are time, request_id,") {
		t.Errorf("%v", err)
	}
}

func TestNamedFormats(t *testing.T) {
	if got, want := render(t, "common", Options{}, sample()), `192.0.2.7 - alice [22/Nov/2026:16:40:00 +0000] "GET /a%20b?x=1&y=2 HTTP/1.1" 200 1234`; got != want {
		t.Errorf("common: %s", got)
	} else if got := render(t, "combined", Options{}, sample()); got != want+` "https://example.org/" "curl/8"` {
		t.Errorf("combined: %s", got)
	}
}

// A line stays one line, and an object, whatever clients send.
func FuzzJSON(f *testing.F) {
	f.Add([]byte("a\"\n{}"), []byte(`\",`), []byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, path, agent, id []byte) {
		r := handledSample()
		r.Request.Path = path
		r.Request.Handling.ID = string(id)
		r.Request.Header.Set("User-Agent", string(agent))
		format, err := Compile(JSON, Options{})
		if err != nil {
			t.Fatal(err)
		}
		line := format.Append(nil, r, time.Now())
		if bytes.Count(line, []byte("\n")) != 1 || !json.Valid(line) {
			t.Fatalf("%q", line)
		}
	})
}

func TestJSONLineAllocatesNothing(t *testing.T) {
	f, err := Compile(JSON, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, buf := handledSample(), make([]byte, 0, 2048)
	r.Request.Header.Del("Authorization") // whose decoding takes memory
	r.Err = nil
	if n := testing.AllocsPerRun(100, func() { buf = f.Append(buf[:0], r, time.Time{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTunnel(t *testing.T) {
	out := new(sink)
	l := New(out, mustCompile(t, `%(r)s %(s)s %(B)s "%(a)s" %({Content-Type}o)s %({tunnel}x)s %({bytes_in}x)s %({outcome}x)s`), slog.New(slog.DiscardHandler))
	r := sample()
	r.Status = 101
	closed := l.TunnelOpened(r)
	// The protocol goes on with its memory.
	for _, p := range [][]byte{r.Request.Target, r.Request.Path, r.Request.Query, r.Request.Header.Get("User-Agent")} {
		clear(p)
	}
	r.Request.Header.Reset()
	r.Request.Peer.Remote = netip.AddrPort{}
	closed(100, 200, asteri.ErrClientGone)
	l.Close(time.Minute)
	if want := "GET /a%20b?x=1&y=2 HTTP/1.1 101 1434 \"curl/8\" text/html true 103 client_gone\n"; out.text() != want {
		t.Errorf("\n got %s\nwant %s", out.text(), want)
	}
	off := New(nil, mustCompile(t, "x"), slog.New(slog.DiscardHandler))
	defer off.Close(time.Minute)
	if off.TunnelOpened(sample()) != nil {
		t.Error("a log that is off keeps requests")
	}
}
