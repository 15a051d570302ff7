// Package accesslog writes a line for each exchange, in gunicorn's notation or as
// JSON.
//
// Lines are made on the connection's event loop and written by one goroutine,
// so that a slow disk or pipe never holds a loop. What does not fit the bounded
// buffer between the two is dropped and counted.
package accesslog

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
)

// Options complete a format.
type Options struct {
	// Color marks the status by its class, for a terminal.
	Color bool
	// PID is the process id for %(p)s.
	PID int
	// Software is the server's name and version, for %({SERVER_SOFTWARE}e)s.
	Software string
}

// Format is a compiled format. It may be used by several goroutines at once.
type Format struct {
	parts []part
	json  bool // in place of parts
	stamp atomic.Pointer[stamp]
	opts  Options
}

// part is literal text followed by one value.
type part struct {
	literal string
	atom    atom // nil at the end
}

// atom appends one value of an entry.
type atom func(dst []byte, e *entry) []byte

// entry is one exchange on its way to a line.
type entry struct {
	*asteri.Record
	// Peer is the client's: a proxy's connection may serve many.
	Peer   *asteri.Peer
	format *Format
	now    time.Time
	tunnel bool // it became one, and that has ended
}

// stamp is the time of one second, as gunicorn writes it and as JSON has it.
type stamp struct {
	second    int64
	text, utc string
}

// JSON is the format of JSON objects; named are formats by their names.
const JSON = "json"

var named = map[string]string{
	"common":   `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s`,
	"combined": `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`,
}

// Compile checks and prepares a format: JSON, common, combined, or text with
// %(NAME)s for values, where NAME is one of gunicorn's atoms, {NAME}i for a request
// field, {NAME}o for a response field, {NAME}e for a CGI variable, or {NAME}x for a
// value that the JSON has under that name. %% is a percent sign.
func Compile(format string, o Options) (*Format, error) {
	f := &Format{opts: o, json: format == JSON}
	if f.json {
		return f, nil
	}
	if text, ok := named[format]; ok {
		format = text
	}
	var literal strings.Builder
	for rest := format; ; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			literal.WriteString(rest)
			break
		}
		literal.WriteString(rest[:i])
		rest = rest[i+1:]
		if after, ok := strings.CutPrefix(rest, "%"); ok {
			literal.WriteByte('%')
			rest = after
			continue
		}
		name, after, ok := cutAtom(rest)
		if !ok {
			return nil, fmt.Errorf("%q: must be %%(NAME)s, or %%%% for a percent sign", "%"+head(rest))
		}
		a, err := find(name)
		if err != nil {
			return nil, err
		}
		f.parts = append(f.parts, part{literal.String(), a})
		literal.Reset()
		rest = after
	}
	f.parts = append(f.parts, part{literal: literal.String() + "\n"})
	return f, nil
}

// cutAtom takes "(NAME)s" off the front of s. "d" is as good as "s".
func cutAtom(s string) (name, after string, ok bool) {
	s, ok = strings.CutPrefix(s, "(")
	if !ok {
		return "", "", false
	}
	name, after, ok = strings.Cut(s, ")")
	if !ok || after == "" || (after[0] != 's' && after[0] != 'd') {
		return "", "", false
	}
	return name, after[1:], true
}

// head shortens s for a message.
func head(s string) string {
	if len(s) > 12 {
		return s[:12] + "..."
	}
	return s
}

func find(name string) (atom, error) {
	if inner, ok := strings.CutPrefix(name, "{"); ok && len(name) > 3 {
		kind := name[len(name)-2:]
		inner = strings.TrimSuffix(inner, kind)
		switch kind {
		case "}i":
			return requestField(inner), nil
		case "}o":
			return responseField(inner), nil
		case "}e":
			return variable(inner)
		case "}x":
			return extra(inner)
		}
	}
	if a, ok := atoms[name]; ok {
		return a, nil
	}
	known := make([]string, 0, len(atoms))
	for n := range atoms {
		known = append(known, n)
	}
	slices.Sort(known)
	return nil, fmt.Errorf("%%(%s)s is not known; there are %s, {NAME}i, {NAME}o, {NAME}e and {NAME}x", name, strings.Join(known, ", "))
}

// Append appends the line for r, with its line end, to dst. now is used for the
// time of a request that could not be parsed.
func (f *Format) Append(dst []byte, r *asteri.Record, now time.Time) []byte {
	e := entries.Get().(*entry)
	defer entries.Put(e)
	return e.appendLine(dst, f, r, false, func() time.Time { return now })
}

// entries are for who has none of their own.
var entries = sync.Pool{New: func() any { return new(entry) }}

// appendLine makes e the entry of r for as long as it takes to append its line. now is
// asked for the time if r does not tell.
func (e *entry) appendLine(dst []byte, f *Format, r *asteri.Record, tunnel bool, now func() time.Time) []byte {
	*e = entry{Record: r, Peer: r.Peer, format: f, tunnel: tunnel}
	if r.Request != nil {
		e.now = r.Request.Received.Add(r.Duration)
		e.Peer = r.Request.Peer
	} else {
		e.now = now()
	}
	dst = f.append(dst, e)
	*e = entry{} // what it says is not ours to keep
	return dst
}

func (f *Format) append(dst []byte, e *entry) []byte {
	if f.json {
		return appendJSON(dst, e)
	}
	for i := range f.parts {
		p := &f.parts[i]
		dst = append(dst, p.literal...)
		if p.atom != nil {
			dst = p.atom(dst, e)
		}
	}
	return dst
}

// stampOf returns the stamp of t. A second has many lines, and it is made once.
func (f *Format) stampOf(t time.Time) *stamp {
	if s := f.stamp.Load(); s != nil && s.second == t.Unix() {
		return s
	}
	s := &stamp{t.Unix(), t.Format("[02/Jan/2006:15:04:05 -0700]"), t.UTC().Format("2006-01-02T15:04:05")}
	f.stamp.Store(s)
	return s
}
