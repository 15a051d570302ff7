// Package logobject reads what applications log as objects of JSON, so that the server's
// log can have their members as its own.
package logobject

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
)

// Key is the attribute that holds the Object of a record.
const Key = "object"

// Object is what an application has logged as an object of JSON. The message of its
// record is the line as it is; for machines its members are those of the record.
type Object struct {
	line    string
	members []member
	message string
	level   slog.Level
	leveled bool
}

type member struct {
	name  string
	value json.RawMessage
}

// Parse returns the object that a line is, or nil.
func Parse(line string) *Object {
	line = strings.TrimSpace(line)
	if len(line) < 2 || line[0] != '{' || line[len(line)-1] != '}' || !json.Valid([]byte(line)) {
		return nil
	}
	o := &Object{line: line}
	d := json.NewDecoder(strings.NewReader(line))
	_, _ = d.Token() // the brace: it is valid
	for d.More() {
		token, _ := d.Token()
		name, _ := token.(string)
		m := member{name: name}
		if d.Decode(&m.value) != nil {
			return nil // too deep
		}
		o.members = slices.DeleteFunc(o.members, func(before member) bool { return before.name == name })
		o.members = append(o.members, m)
	}
	o.read()
	return o
}

// read finds the message and the level among the members, and takes out what the
// record says itself then.
func (o *Object) read() {
	for _, name := range []string{"message", "msg", "event"} {
		if text, ok := o.text(name); ok {
			o.message = text
			break
		}
	}
	for _, name := range []string{"level", "levelname", "severity"} {
		if text, ok := o.text(name); ok {
			if o.level, o.leveled = levelNamed(text); o.leveled {
				break
			}
		}
	}
	o.members = slices.DeleteFunc(o.members, func(m member) bool {
		_, isText := o.text(m.name)
		return isText && m.name == "message" || m.name == "level" && o.leveled
	})
}

func (o *Object) text(name string) (text string, ok bool) {
	for _, m := range o.members {
		if m.name == name && m.value[0] == '"' {
			return text, json.Unmarshal(m.value, &text) == nil
		}
	}
	return "", false
}

// levelNamed is the level that loggers of Python, and others, call so.
func levelNamed(name string) (slog.Level, bool) {
	switch strings.ToLower(name) {
	case "trace", "debug":
		return slog.LevelDebug, true
	case "info", "notice":
		return slog.LevelInfo, true
	case "warn", "warning":
		return slog.LevelWarn, true
	case "error", "exception":
		return slog.LevelError, true
	case "critical", "fatal":
		return slog.LevelError + 4, true
	}
	return 0, false
}

// Level is the level that the object names. ok is false if it names none.
func (o *Object) Level() (l slog.Level, ok bool) { return o.level, o.leveled }

// theServers are members of each record, which the server says.
var theServers = []string{"time", "level", "message", "pid", "worker_number", "app"}

// rest is how a member is called that has the name of one of theServers.
const rest = "application."

// Record returns r with the object's members in place of its message. Other attributes
// of r that have the name of a member are left out: the application knows better.
func (o *Object) Record(r slog.Record) slog.Record {
	merged := slog.NewRecord(r.Time, r.Level, o.message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		said := slices.ContainsFunc(o.members, func(m member) bool { return m.name == a.Key })
		if a.Key != Key && !said {
			merged.AddAttrs(a)
		}
		return true
	})
	for _, m := range o.members {
		if slices.Contains(theServers, m.name) {
			m.name = rest + m.name
		}
		merged.AddAttrs(slog.Any(m.name, m.value))
	}
	return merged
}

// Of returns the object of a record, or nil.
func Of(r slog.Record) (o *Object) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == Key {
			o, _ = a.Value.Any().(*Object)
		}
		return o == nil
	})
	return o
}

// String and MarshalJSON are for handlers that know nothing of objects.
func (o *Object) String() string { return o.line }

// MarshalJSON implements json.Marshaler.
func (o *Object) MarshalJSON() ([]byte, error) { return []byte(o.line), nil }
