package status

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/internal/observe/logobject"
)

// Log keeps the last records of the log for those who look at the status. It is
// bounded in number and in bytes.
type Log struct {
	mu      sync.Mutex
	records []LogRecord // the latest last; those in it do not change
	bytes   int
	cursor  uint64 // of the latest
	errors  errorLog
	last    map[int]*LogRecord // errors of workers
}

// Bounds of a Log.
const (
	logRecords = 2000
	logBytes   = 4 << 20
	logErrors  = 50
	// longestField bounds a message, and the text of a field, such as a traceback.
	longestField = 16 << 10
	// lastErrors is the number of workers whose last error is kept.
	lastErrors = 4096
)

// NewLog returns an empty log.
func NewLog() *Log { return &Log{last: make(map[int]*LogRecord)} }

// Append adds a record, whose Cursor it sets. It may be called from any goroutine and
// does not block.
func (l *Log) Append(r LogRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursor++
	r.Cursor = l.cursor
	l.records = append(l.records, r)
	l.bytes += r.size()
	for len(l.records) > logRecords || l.bytes > logBytes && len(l.records) > 1 {
		l.bytes -= l.records[0].size()
		l.records = l.records[1:]
	}
	if rank(r.Level) < rank("ERROR") {
		return
	}
	l.errors.add(r)
	if r.Worker != 0 {
		if len(l.last) >= lastErrors {
			clear(l.last) // of workers that have long gone, most likely
		}
		l.last[r.Worker] = &r
	}
}

// skip notes that n records were forgotten before they came.
func (l *Log) skip(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursor += n
}

func (r *LogRecord) size() int {
	n := 128 + len(r.Message)
	for name, value := range r.Fields {
		n += len(name) + len(value) + 32
	}
	return n
}

// Errors returns the last errors, the latest first, and how many there were in the five
// minutes before now.
func (l *Log) Errors(now time.Time) (latest []ErrorGroup, recent uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errors.latest(), l.errors.since(now)
}

// LastError returns the last error of a worker, or nil.
func (l *Log) LastError(pid int) *LogRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[pid]
}

// logQuery says which records are wanted.
type logQuery struct {
	// after is the cursor of the last record that is known already.
	after  uint64
	source string // all if empty
	rank   int    // the least
	worker int    // all if 0
	since  time.Time
	text   string // in lower case
	limit  int
}

func (q *logQuery) wants(r *LogRecord) bool {
	return r.Cursor > q.after && rank(r.Level) >= q.rank &&
		(q.source == "" || r.Source == q.source) &&
		(q.worker == 0 || r.Worker == q.worker) &&
		!r.Time.Before(q.since) &&
		(q.text == "" || r.contains(q.text))
}

func (r *LogRecord) contains(text string) bool {
	if strings.Contains(strings.ToLower(r.Message), text) {
		return true
	}
	for _, value := range r.Fields {
		if strings.Contains(strings.ToLower(value), text) {
			return true
		}
	}
	return false
}

// find returns the records that are wanted, the oldest first: those next after a
// cursor, or the last ones without one. lost says that some may have been forgotten
// since the cursor.
func (l *Log) find(q *logQuery) (found []LogRecord, cursor uint64, lost bool) {
	l.mu.Lock()
	records, latest := l.records, l.cursor
	l.mu.Unlock()
	found = []LogRecord{}
	if q.after > latest { // which another server has given, before this one
		q.after = 0
	}
	next := slices.IndexFunc(records, func(r LogRecord) bool { return r.Cursor > q.after })
	lost = q.after > 0 && next >= 0 && records[next].Cursor > q.after+1
	if q.after > 0 {
		for i := range records {
			if !q.wants(&records[i]) {
				continue
			}
			if len(found) == q.limit {
				return found, found[q.limit-1].Cursor, lost
			}
			found = append(found, records[i])
		}
		return found, latest, lost
	}
	for i := len(records) - 1; i >= 0 && len(found) < q.limit; i-- {
		if q.wants(&records[i]) {
			found = append(found, records[i])
		}
	}
	slices.Reverse(found)
	return found, latest, false
}

// levels are the names of levels, as Python and gunicorn have them.
var levels = []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}

// rank orders levels; -1 is none of them.
func rank(level string) int { return slices.Index(levels, level) }

func levelName(l slog.Level) string {
	const step = slog.LevelInfo - slog.LevelDebug
	i := int(l-slog.LevelDebug) / int(step)
	return levels[min(max(i, 0), len(levels)-1)]
}

// Handler returns a slog.Handler that keeps what next handles. pid is the attribute
// that says which worker a record is of.
func (l *Log) Handler(next slog.Handler, pid string) slog.Handler {
	return &keeper{log: l, next: next, pidKey: pid}
}

// keeper is a slog.Handler that keeps a copy of each record.
type keeper struct {
	log    *Log
	next   slog.Handler
	pidKey string
	group  string // with its final dot
	attrs  []field
}

type field struct{ name, value string }

// Enabled implements slog.Handler.
func (k *keeper) Enabled(ctx context.Context, level slog.Level) bool {
	return k.next.Enabled(ctx, level)
}

// WithGroup implements slog.Handler.
func (k *keeper) WithGroup(name string) slog.Handler {
	g := *k
	g.next = k.next.WithGroup(name)
	if name != "" {
		g.group += name + "."
	}
	return &g
}

// WithAttrs implements slog.Handler.
func (k *keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	g := *k
	g.next = k.next.WithAttrs(attrs)
	g.attrs = slices.Clone(k.attrs)
	for _, a := range attrs {
		g.attrs = appendAttr(g.attrs, g.group, a)
	}
	return &g
}

// Handle implements slog.Handler.
func (k *keeper) Handle(ctx context.Context, r slog.Record) error {
	kept := LogRecord{
		Time: r.Time.UTC().Round(time.Millisecond), Level: levelName(r.Level), Source: "server",
		Message: cut(r.Message),
	}
	fields := slices.Clone(k.attrs)
	r.Attrs(func(a slog.Attr) bool {
		fields = appendAttr(fields, k.group, a)
		return true
	})
	for _, f := range fields {
		if f.name == k.pidKey {
			if _, err := fmt.Sscan(f.value, &kept.Worker); err == nil {
				kept.Source = "worker"
			}
			continue
		}
		if kept.Fields == nil {
			kept.Fields = make(map[string]string, len(fields))
		}
		kept.Fields[f.name] = f.value
	}
	k.log.Append(kept)
	return k.next.Handle(ctx, r)
}

func appendAttr(fields []field, group string, a slog.Attr) []field {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Equal(slog.Attr{}) || a.Key == logobject.Key { // which the message is
			return fields
		}
		return append(fields, field{group + a.Key, cut(strings.ToValidUTF8(v.String(), "\uFFFD"))})
	}
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, inner := range v.Group() {
		fields = appendAttr(fields, group, inner)
	}
	return fields
}

func cut(s string) string {
	if len(s) <= longestField {
		return s
	}
	return strings.ToValidUTF8(s[:longestField], "") + "…"
}
