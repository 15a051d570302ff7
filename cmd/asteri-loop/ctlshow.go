package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/asteri/asteri-loop/internal/ctl"
	"github.com/asteri/asteri-loop/status"
)

// show writes a result for people.
func (o *order) show(w io.Writer, result json.RawMessage) error {
	switch o.Command {
	case "status":
		return shown(w, result, showStatus)
	case "workers":
		return shown(w, result, showWorkers)
	case "requests":
		return shown(w, result, showRequests)
	case "stacks":
		return shown(w, result, showStacks)
	case "scale", "add-worker", "remove-worker":
		return shown(w, result, func(w io.Writer, r *ctl.Scaled) {
			for _, one := range r.Scaled {
				fmt.Fprintf(w, "%s\t%s\n", one.App, count(one.Workers, "worker"))
			}
		})
	case "upgrade":
		return shown(w, result, func(w io.Writer, r *ctl.Upgraded) { fmt.Fprintf(w, "Process %d serves.\n", r.PID) })
	case "log-level":
		return shown(w, result, func(w io.Writer, r *ctl.Level) { fmt.Fprintln(w, r.Level) })
	}
	_, err := fmt.Fprintln(w, map[string]string{
		"reload": "Reloaded.", "drain": "The server drains.", "stop": "The server stops.",
		"kill-worker": "The worker was killed; another takes its place.", "restart-worker": "Another worker takes its place.",
	}[o.Command])
	return err
}

// shown has do write a result of its form, in columns.
func shown[T any](w io.Writer, result json.RawMessage, do func(w io.Writer, r *T)) error {
	r := new(T)
	if err := json.Unmarshal(result, r); err != nil {
		return fmt.Errorf("the server's answer is not understood: %w", err)
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	do(columns, r)
	return columns.Flush()
}

func showStatus(w io.Writer, doc *status.Report) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("server", "%s %s, pid %d, up for %s", doc.Server.Name, doc.Server.Version, doc.Server.PID, span(doc.Server.Uptime))
	if doc.Ready {
		row("ready", "yes")
	} else {
		row("ready", "no: %s", doc.Reason)
	}
	for _, a := range append([]status.Application{doc.Application}, doc.Mounts...) {
		how := a.Model
		if a.State == status.ApplicationFailed {
			how = "answers 503: " + plain(a.Error)
		}
		row("application", "%s", strings.TrimSpace(cmp.Or(a.At, "/")+"  "+cmp.Or(a.Name, "(demonstration)")+"  "+how))
	}
	if len(doc.Workers) > 0 {
		row("workers", "%d", len(doc.Workers))
	}
	for _, s := range doc.Scaling {
		switch at := cmp.Or(s.At, "/"); {
		case s.Fixed:
			row("wanted", "%d for %s, as an operator has said", s.Wanted, at)
		case s.Most > 0:
			row("wanted", "%d for %s, of %d to %d; %.1f are at work", s.Wanted, at, s.Least, s.Most, s.Load)
		}
	}
	if doc.Queue != nil {
		row("queue", "%d of %d", doc.Queue.Waiting, doc.Queue.Capacity)
	}
	row("connections", "%d", doc.Connections)
	row("in flight", "%d", doc.InFlight)
	all := doc.Traffic.All
	row("requests", "%d, %.1f a second, p50 %s, p99 %s", all.Requests, all.Rate, span(all.P50), span(all.P99))
	if doc.RecentErrors > 0 {
		row("errors", "%d in the log of the last five minutes", doc.RecentErrors)
	}
}

func showWorkers(w io.Writer, r *ctl.Staff) {
	fmt.Fprintln(w, "PID\tAPP\tMODEL\tSTATE\tIN FLIGHT\tSERVED\tAGE\tCPU\tRSS")
	for i := range r.Workers {
		one := &r.Workers[i]
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%d\t%s\t%.2f\t%d MiB\n", one.PID, cmp.Or(one.At, "/"), cmp.Or(one.Model, "-"), one.State,
			one.InFlight, one.Served, span(one.Age), one.CPU, one.RSS>>20)
	}
}

func showRequests(w io.Writer, r *ctl.Flights) {
	fmt.Fprintln(w, "AGE\tSTATE\tWORKER\tPROTOCOL\tMETHOD\tPATH")
	for i := range r.Requests {
		one := &r.Requests[i]
		at := "-"
		if one.Worker != 0 {
			at = fmt.Sprint(one.Worker)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", span(one.Age), one.State, at, one.Protocol, plain(one.Method), plain(one.Path))
	}
	if more := r.InFlight - len(r.Requests); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
}

func showStacks(w io.Writer, r *ctl.Stacks) {
	for _, one := range r.Stacks {
		text := cmp.Or(one.Text, one.Error+"\n")
		fmt.Fprintf(w, "Process %d\n%s\n", one.PID, ctl.Printable(strings.ReplaceAll(text, "\t", "    ")))
	}
}

// span is a time in seconds, with no more digits than mean something.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

// plain makes what clients choose fit for a terminal, and for a line.
func plain(s string) string { return ctl.Printable(strings.ReplaceAll(s, "\n", "\uFFFD")) }
