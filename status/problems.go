package status

import (
	"cmp"
	"time"
)

// problem is something that an operator should look at.
type problem struct {
	// Bad says that clients suffer, else it is a warning.
	Bad  bool
	Text string
}

// What counts as a problem.
const (
	fullQueue    = 0.5
	manyErrors   = 0.01
	longLag      = 0.1 // seconds
	longRequest  = 10  // seconds
	littleMemory = 0.05
	recentError  = 5 * time.Minute
)

// problems looks through a document for what is wrong, the worst first. It is what
// the page begins with, so it says little as long as little is wrong.
func problems(doc *Report, l language) (found []problem) {
	add := func(bad bool, key string, args ...any) {
		if text, err := l.say("problem."+key, args...); err == nil {
			found = append(found, problem{bad, text})
		}
	}
	if !doc.Ready {
		add(true, "unready", doc.Reason)
	}
	for _, a := range append([]Application{doc.Application}, doc.Mounts...) {
		if a.State == ApplicationFailed {
			add(true, "app", cmp.Or(a.At, "/"), a.Name)
		}
	}
	if q := doc.Queue; q != nil && q.Capacity > 0 && float64(q.Waiting) >= fullQueue*float64(q.Capacity) {
		add(true, "queue", l.count(q.Waiting), l.count(q.Capacity))
	} else if busy, all := busyWorkers(doc); q != nil && q.Waiting > 0 && all > 0 && busy == all {
		add(false, "busy", l.count(all))
	}
	if share := errorShare(doc); share >= manyErrors {
		add(true, "errors", l.percent(share))
	}
	for _, one := range doc.Loops {
		if one.Lag >= longLag {
			add(true, "lag", one.ID, l.span(one.Lag))
		}
	}
	for _, c := range doc.Certificates {
		switch {
		case !c.NotAfter.After(doc.Time):
			add(true, "expired", c.Name, stamp(c.NotAfter))
		case c.Ends:
			add(false, "expires", c.Name, l.span(c.NotAfter.Sub(doc.Time).Seconds()))
		}
	}
	problemsOfWorkers(doc, l, add)
	problemsOfHost(&doc.Host, l, add)
	return found
}

func problemsOfWorkers(doc *Report, l language, add func(bad bool, key string, args ...any)) {
	restarting := 0
	for i := range doc.Workers {
		if doc.Workers[i].State == "RESTARTING" {
			restarting++
		}
	}
	if restarting > 0 {
		add(false, "restarts", l.count(restarting))
	}
	if len(doc.Requests) > 0 && doc.Requests[0].Age >= longRequest {
		r := &doc.Requests[0]
		add(false, "old", l.span(r.Age), r.Method, r.Path)
	}
	if doc.RecentErrors > 0 && len(doc.Errors) > 0 {
		add(false, "log", l.count(doc.RecentErrors), l.span(max(0, doc.Time.Sub(doc.Errors[0].Time).Seconds())))
	}
}

func problemsOfHost(h *Host, l language, add func(bad bool, key string, args ...any)) {
	if h.Memory > 0 && float64(h.Available) < littleMemory*float64(h.Memory) {
		add(false, "memory", l.size(h.Available))
	}
	if h.CPUs > 0 && h.Load[0] > 2*float64(h.CPUs) {
		add(false, "load", l.rate(h.Load[0]), l.count(h.CPUs))
	}
}

// busyWorkers returns how many of those that take requests have some.
func busyWorkers(doc *Report) (busy, all int) {
	for i := range doc.Workers {
		switch doc.Workers[i].State {
		case "BUSY":
			busy++
			all++
		case "IDLE":
			all++
		}
	}
	return busy, all
}

// errorShare is the share of answers with 5xx in the window.
func errorShare(doc *Report) float64 {
	for _, c := range doc.Traffic.Classes {
		if c.Name == "5xx" && doc.Traffic.All.Rate > 0 {
			return c.Rate / doc.Traffic.All.Rate
		}
	}
	return 0
}
