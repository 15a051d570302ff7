package status

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LogPage is the document at PATH/logs.
type LogPage struct {
	// Records are those asked for, the oldest first.
	Records []LogRecord `json:"records"`
	// Cursor is to be given for those that come next.
	Cursor uint64 `json:"cursor"`
	// Lost says that some were forgotten since the cursor that was given.
	Lost bool `json:"lost,omitempty"`
}

// Bounds of limit.
const (
	defaultLogLimit = 200
	maxLogLimit     = 1000
)

// logSources are what records come from. Those of requests are shown only by
// themselves.
var logSources = []string{"server", "worker", sourceAccess}

// search returns the records that are wanted of the log that has them.
func (s *Monitor) search(q *logQuery) (found []LogRecord, cursor uint64, lost bool) {
	if q.source == sourceAccess {
		return s.requests.find(q)
	}
	return s.opts.Log.find(q)
}

// logs answers with records of the log.
func (s *Monitor) logs(v *visit) {
	q, wrong := readLogQuery(v.query)
	if wrong != "" {
		respond(v, http.StatusBadRequest, plainText, wrong+"\n")
		return
	}
	s.later(v, func() func() {
		var page LogPage
		page.Records, page.Cursor, page.Lost = s.search(&q)
		text, err := json.Marshal(page)
		if err != nil {
			return func() { v.Abort(err) }
		}
		return func() { respond(v, http.StatusOK, "application/json", string(text)+"\n") }
	})
}

// readLogQuery returns what is wrong in words that hold nothing of the query.
func readLogQuery(raw []byte) (q logQuery, wrong string) {
	q.limit = defaultLogLimit
	values, ok := parseQuery(raw)
	if !ok {
		return q, "the query is malformed or too long"
	}
	for name, all := range values {
		value := all[0]
		if len(all) > 1 {
			return q, "each parameter may stand there once"
		}
		if value == "" {
			continue
		}
		var err error
		switch name {
		case "cursor":
			q.after, err = strconv.ParseUint(value, 10, 64)
		case "source":
			q.source = value
			if !slices.Contains(logSources, value) {
				return q, "source must be server, worker or access"
			}
		case "level":
			if q.rank = rank(strings.ToUpper(value)); q.rank < 0 {
				return q, "level must be debug, info, warning, error or critical"
			}
		case "worker":
			q.worker, err = strconv.Atoi(value)
		case "since":
			q.since, err = readTime(value)
		case "limit":
			q.limit, err = strconv.Atoi(value)
			if q.limit < 1 || q.limit > maxLogLimit {
				return q, "limit must be from 1 to 1000"
			}
		case "text":
			q.text = strings.ToLower(value)
		default:
			return q, "the parameters are cursor, level, limit, since, source, text and worker"
		}
		if err != nil {
			return q, "cursor, worker and limit must be numbers, since a time such as 2026-01-02T15:04:05Z, in Unix time, or ago such as 5m"
		}
	}
	return q, ""
}

// readTime reads a time as RFC 3339, in Unix time, or as how long it is ago.
func readTime(s string) (time.Time, error) {
	if unix, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(unix, 0), nil
	}
	if ago, err := time.ParseDuration(s); err == nil {
		return time.Now().Add(-ago), nil
	}
	return time.Parse(time.RFC3339, s)
}

const (
	// tailPeriod is how often new records are looked for.
	tailPeriod = 250 * time.Millisecond
	// tailIdle is after how long without any a listener gets an empty comment,
	// which finds out whether it is still there.
	tailIdle = 15 * time.Second
)

// tail sends records as they come.
func (s *Monitor) tail(v *visit) {
	q, wrong := readLogQuery(v.query)
	if wrong != "" {
		respond(v, http.StatusBadRequest, plainText, wrong+"\n")
		return
	}
	// A browser that was cut off says what it had (the event stream's own rule).
	if had, err := strconv.ParseUint(string(v.r.Header.Get("Last-Event-ID")), 10, 64); err == nil {
		q.after = had
	}
	st := &listener{x: v.Exchange, access: full, query: &q}
	s.tails.open(v, st)
}

// publishLog gives listeners what is new to them.
func (s *Monitor) publishLog(all []*listener) {
	for _, st := range all {
		if st.posted.Load() {
			continue // and what it has is not known yet
		}
		q := *st.query
		q.after = st.cursor.Load()
		if q.after == 0 {
			q.after = st.query.after
		}
		records, cursor, _ := s.search(&q)
		var frame []byte
		for i := range records {
			frame = appendEvent(frame, "log", records[i].Cursor, mustJSON(&records[i]))
		}
		switch {
		case len(frame) > 0:
			st.send(frame, func() { st.cursor.Store(cursor) })
		case st.silent() > tailIdle:
			st.send([]byte(":\n\n"), nil)
		}
	}
}

// mustJSON encodes a record, which has nothing that JSON has no word for.
func mustJSON(r *LogRecord) []byte {
	text, err := json.Marshal(r)
	if err != nil {
		return []byte("{}")
	}
	return text
}

// appendEvent appends an event to a stream. data is in one line, as JSON is.
func appendEvent(b []byte, name string, id uint64, data []byte) []byte {
	b = append(b, "event: "...)
	b = append(b, name...)
	b = append(b, "\nid: "...)
	b = strconv.AppendUint(b, id, 10)
	b = append(b, "\ndata: "...)
	b = append(b, data...)
	return append(b, "\n\n"...)
}
