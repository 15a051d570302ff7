package status

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/accesslog"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/perhome"
)

// sourceAccess is the source of records of requests, which have a log of their own:
// among the others they would leave room for nothing else.
const sourceAccess = "access"

// requestLog keeps lines of requests for those who look at the status, whether or
// not an access log is written.
//
// It costs a busy loop next to nothing: beyond so many a second, more while somebody
// looks, only the count goes up. Failures have a pace of their own, so that they are
// there however many requests went well. Lines are made on the loop, which has the request, and taken apart only
// when somebody asks.
type requestLog struct {
	format *accesslog.Format
	redact func(*asteri.Record) *asteri.Record // what may be shown of a record
	paces  *perhome.Values[asteri.Executor, requestPace]

	watchedUntil atomic.Int64 // by the clock of deadlines

	mu      sync.Mutex // held for moments only: loops want it
	waiting [][]byte   // lines that nobody has asked for, the latest last
	bytes   int        // in waiting
	dropped uint64     // lines that came before them and are forgotten

	reading sync.Mutex
	log     *Log // lines that were taken apart
}

// requestPace decides which requests of a home are kept. It belongs to that.
type requestPace struct {
	well    pace
	failed  pace
	leftOut uint64   // since the last that was kept
	_       [64]byte // no cache line with another home
}

// A home keeps requestBurst requests at once, and in the long run one in
// requestEvery, or in watchedEvery for as long as somebody has asked within
// watchedFor.
const (
	requestBurst = 100
	requestEvery = 10 * time.Millisecond
	watchedEvery = 500 * time.Microsecond
	watchedFor   = 10 * time.Second
	// waitingBytes bounds the lines that wait, beside logRecords.
	waitingBytes = 2 << 20
)

// newRequestLog returns a log that keeps of exchanges what redact returns.
func newRequestLog(redact func(*asteri.Record) *asteri.Record) *requestLog {
	format, err := accesslog.Compile(accesslog.JSON, accesslog.Options{})
	if err != nil { // its own name for its own format
		panic(err)
	}
	paces := perhome.New(func(asteri.Executor) *requestPace { return new(requestPace) })
	return &requestLog{format: format, redact: redact, paces: paces, log: NewLog()}
}

// add keeps the line of a request, if it is its turn. It runs on the request's home.
func (l *requestLog) add(r *asteri.Record) {
	p := l.paces.At(r.Home)
	var received time.Time
	if r.Request != nil {
		received = r.Request.Received
	} else {
		received = time.Now()
	}
	now := int64(awake.Of(received) + r.Duration) // the time of day may be set back
	turn := &p.well
	if r.Err != nil || r.Status >= 500 {
		turn = &p.failed
	}
	every := requestEvery
	if now < l.watchedUntil.Load() {
		every = watchedEvery
	}
	if !turn.allows(now, every) {
		p.leftOut++
		return
	}
	line := l.format.Append(make([]byte, 0, 512), l.redact(r), received.Add(r.Duration))
	if p.leftOut > 0 {
		line = appendMember(line, "left_out", p.leftOut)
		p.leftOut = 0
	}
	l.keep(line)
}

func (l *requestLog) keep(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, line)
	l.bytes += len(line)
	for len(l.waiting) > logRecords || l.bytes > waitingBytes && len(l.waiting) > 1 {
		l.bytes -= len(l.waiting[0])
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		l.dropped++
	}
}

// find is that of Log.
func (l *requestLog) find(q *logQuery) (found []LogRecord, cursor uint64, lost bool) {
	l.watchedUntil.Store(int64(awake.Now() + watchedFor))
	l.reading.Lock() // lines that are being taken apart come before later ones
	defer l.reading.Unlock()
	lines, dropped := l.take()
	l.log.skip(dropped)
	for _, line := range lines {
		if r, ok := recordOf(line); ok {
			l.log.Append(r)
		}
	}
	return l.log.find(q)
}

func (l *requestLog) take() (lines [][]byte, dropped uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines, dropped = l.waiting, l.dropped
	l.waiting, l.bytes, l.dropped = nil, 0, 0
	return lines, dropped
}

// inMessage are the members of a line that make the message, and those that a record
// has fields of its own for.
var inMessage = []string{"method", "path", "query", "protocol", "time", "worker"}

// recordOf takes a line apart.
func recordOf(line []byte) (r LogRecord, ok bool) {
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		return r, false
	}
	fields := make(map[string]string, len(members))
	for name, value := range members {
		switch value := value.(type) {
		case string:
			fields[name] = cut(value)
		case json.Number:
			fields[name] = value.String()
		case bool:
			fields[name] = "true" // false has no member
		}
	}
	r.Time, _ = time.Parse(time.RFC3339, fields["time"])
	if n, isNumber := members["worker"].(json.Number); isNumber {
		pid, _ := n.Int64() // our own number
		r.Worker = int(pid)
	}
	r.Source, r.Level, r.Message = sourceAccess, levelOf(fields), messageOf(fields)
	for _, name := range inMessage {
		delete(fields, name)
	}
	r.Fields = fields
	return r, true
}

// messageOf is the request line and the status.
func messageOf(fields map[string]string) string {
	target := fields["path"]
	if q := fields["query"]; q != "" {
		target += "?" + q
	}
	said := make([]string, 0, 4)
	for _, s := range []string{fields["method"], target, fields["protocol"], fields["status"]} {
		if s == "" {
			s = "-"
		}
		said = append(said, s)
	}
	return cut(strings.Join(said, " "))
}

// levelOf makes what is the server's side's fault an error, what is the client's a
// warning.
func levelOf(fields map[string]string) string {
	switch outcome, status := fields["outcome"], fields["status"]; {
	case strings.HasPrefix(status, "5"), outcome == "failed", outcome == "bad_response", outcome == "panic":
		return "ERROR"
	case strings.HasPrefix(status, "4"), outcome != "ok":
		return "WARNING"
	}
	return "INFO"
}

// appendMember adds a number to the end of a line that is a JSON object.
func appendMember(line []byte, name string, n uint64) []byte {
	line = bytes.TrimSuffix(line, []byte("}\n"))
	line = append(append(append(line, `,"`...), name...), `":`...)
	return append(strconv.AppendUint(line, n, 10), "}\n"...)
}

// pace lets a burst through, and then one in a while. It is when the turns that were
// taken are used up, by the clock of deadlines.
type pace int64

func (p *pace) allows(now int64, every time.Duration) bool {
	next := now
	if *p != 0 {
		next = max(int64(*p), now)
	}
	if next-now > int64(requestBurst-1)*int64(every) {
		*p = pace(min(next, now+requestBurst*int64(every))) // the pace was slower before
		return false
	}
	*p = pace(next + int64(every))
	return true
}
