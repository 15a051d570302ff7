package status

import (
	"slices"
	"strings"
	"time"
)

// ErrorGroup are records of the log that are the same error: of one level, and alike in
// their message and in the exception that they tell of, but for numbers. The record is the
// last of them.
type ErrorGroup struct {
	LogRecord
	// Count is how many there were, the first of them at First. A group that was
	// forgotten, for others that came after it, begins anew.
	Count uint64    `json:"count"`
	First time.Time `json:"first"`
	// ID stays the same while the group is kept.
	ID uint64 `json:"id"`
}

// errorLog keeps the last errors, in groups, and counts those of late.
type errorLog struct {
	groups []keyedGroup // of which something came last, last
	recent [recentError / recentStep]recentCount
}

type keyedGroup struct {
	key string
	ErrorGroup
}

// recentCount counts the errors of one step of time.
type recentCount struct {
	step  int64
	count uint64
}

// recentStep is how exactly errors are forgotten that are no longer recent.
const recentStep = 5 * time.Second

func stepOf(t time.Time) int64 { return t.Unix() / int64(recentStep/time.Second) }

func (e *errorLog) add(r LogRecord) {
	step := stepOf(r.Time)
	slot := &e.recent[int(uint64(step)%uint64(len(e.recent)))]
	if slot.step != step {
		*slot = recentCount{step: step}
	}
	slot.count++

	key := errorKey(&r)
	group := keyedGroup{key, ErrorGroup{First: r.Time, ID: r.Cursor}}
	if i := slices.IndexFunc(e.groups, func(g keyedGroup) bool { return g.key == key }); i >= 0 {
		group = e.groups[i]
		e.groups = slices.Delete(e.groups, i, i+1)
	} else if len(e.groups) == logErrors {
		e.groups = slices.Delete(e.groups, 0, 1)
	}
	group.LogRecord = r
	group.Count++
	e.groups = append(e.groups, group)
}

// latest returns the groups, the latest first.
func (e *errorLog) latest() []ErrorGroup {
	all := make([]ErrorGroup, 0, len(e.groups))
	for _, g := range slices.Backward(e.groups) {
		all = append(all, g.ErrorGroup)
	}
	return all
}

// since counts the errors that are recent at a time.
func (e *errorLog) since(now time.Time) (n uint64) {
	last := stepOf(now)
	for _, slot := range &e.recent {
		if slot.step > last-int64(len(e.recent)) && slot.step <= last {
			n += slot.count
		}
	}
	return n
}

// longestKey bounds what errors are compared by.
const longestKey = 1 << 10

// errorKey is what equal errors have in common.
func errorKey(r *LogRecord) string {
	return r.Level + "\n" + alike(r.Message) + "\n" + alike(r.Fields["error"])
}

// alike is the first line of a text with one digit for each number.
func alike(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	var b strings.Builder
	digits := false
	for i := 0; i < min(len(s), longestKey); i++ {
		isDigit := '0' <= s[i] && s[i] <= '9'
		if isDigit && digits {
			continue
		}
		if digits = isDigit; isDigit {
			b.WriteByte('0')
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
