package main

import (
	"fmt"
	"io"
	"strings"
)

// writePage writes the results as a page.
func (r results) writePage(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Overload in figures\n\n")
	fmt.Fprintf(&b, "%s, revision %s, by `%s`. Each server was started afresh, served honest clients for a second and a half, was then attacked for %g s once all attackers stood, and watched until all was as before. "+
		"Attackers, honest clients and the server share the cores of the machine; attackers run at a lower priority (nice 10), as they would have machines of their own. "+
		"An attacker whose connection the server ends comes back after two seconds.\n\n", r.Date, r.Revision, r.Command, r.Seconds)
	b.WriteString("Targets: memory at most 1.2 of `--buffer-budget` (growth of the front's resident memory, the highest that the kernel saw, over what it had at rest); " +
		"99 of 100 probes of `/livez` under 100 ms, by the worst of the ways to ask (main and admin listener, new and kept connections, every 10 ms each); " +
		"99 of 100 requests of honest clients under 1 s, likewise, and none failed; recovery within 2 s after the attack. " +
		"What 99 of 100 of the same took at rest, by the worst of them all, tells how busy the machine was with other things. " +
		"Requests are due at fixed times, and count from then; one that failed counts as one that took its whole time-out (1 s for a probe, 3 s for a request).\n\n")
	b.WriteString("| machine | |\n|---|---|\n")
	for _, f := range r.Machine {
		fmt.Fprintf(&b, "| %s | %s |\n", f.Name, f.Value)
	}
	b.WriteString("\n## Targets\n\n")
	r.writeTable(&b)
	met, all := r.count()
	fmt.Fprintf(&b, "\nAll targets are met in %d of %d.\n", met, all)
	b.WriteString("\n## In detail\n\nMilliseconds; at rest and during the attack.\n\n")
	for _, one := range r.Results {
		one.writeDetail(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r results) writeTable(b *strings.Builder) {
	b.WriteString("| attack | server | budget | at rest | memory | /livez p99 | requests p99 | requests failed | recovery |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, one := range r.Results {
		fmt.Fprintf(b, "| %s | %s | %s |", one.Title, one.title(), one.budget())
		if one.Problem != "" {
			fmt.Fprintf(b, " **no figures**: %s | | | | | |\n", strings.Join(strings.Fields(one.Problem), " "))
			continue
		}
		for _, cell := range one.cells() {
			fmt.Fprintf(b, " %s |", cell)
		}
		b.WriteString("\n")
	}
}

func (r result) title() string {
	if r.Budget == 0 {
		return "beside: " + r.Name
	}
	return "**" + r.Name + "**"
}

func (r result) budget() string {
	if r.Budget == 0 {
		return "–"
	}
	return fmt.Sprintf("%d MiB", r.Budget>>20)
}

// cells are what is judged, each with its verdict, behind what the machine was like.
func (r result) cells() []string {
	probes, requests := r.worst(livez), r.worst(honest)
	recovered := fmt.Sprintf("%.1f s", r.Recovery)
	if !r.Recovered {
		recovered = fmt.Sprintf("not in %.0f s", r.Recovery)
	}
	return []string{
		duration(r.atRest()),
		r.memory(),
		judged(r.livezMet(), "%s%s", duration(probes.P99), failed(probes)),
		judged(r.honestMet(), "%s", duration(requests.P99)),
		judged(r.unfailing(), "%d of %d", requests.Failed, requests.Asked),
		judged(r.recoveryMet(), "%s", recovered),
	}
}

func (r result) memory() string {
	text := mebi(r.grown())
	if r.Stopped != "" {
		return judged(false, "%s, %s", text, r.Stopped)
	}
	if r.Budget == 0 {
		return text
	}
	return judged(r.memoryMet(), "%s, %.2f", text, float64(r.grown())/float64(r.Budget))
}

func judged(met bool, format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if met {
		return text + ", met"
	}
	return "**" + text + ", short**"
}

func failed(s summary) string {
	if s.Failed == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d failed)", s.Failed, s.Asked)
}

func (r result) writeDetail(b *strings.Builder) {
	fmt.Fprintf(b, "### %s, %s, %s\n\n", r.Attack, r.Name, r.budget())
	if r.Command != "" {
		fmt.Fprintf(b, "`%s`\n\n", r.Command)
	}
	if r.Problem != "" {
		fmt.Fprintf(b, "No figures: %s\n\n", strings.Join(strings.Fields(r.Problem), " "))
		return
	}
	fmt.Fprintf(b, "Resident %s at rest, %s at most", mebi(r.Rest), mebi(r.Peak))
	if r.Budget > 0 {
		fmt.Fprintf(b, "; buffers %s at most by its own account", mebi(r.Buffers))
	}
	fmt.Fprintf(b, ". The attack took %.1f s; %d attacking connections stood, the server ended %d, %d failed.",
		r.Seconds, r.Tally.Opened, r.Tally.Ended, r.Tally.Failed)
	if r.Last != "" {
		fmt.Fprintf(b, " Last to be as before: %s.", r.Last)
	}
	b.WriteString("\n\n")
	b.WriteString("| requests | rest p50 | p99 | attack p50 | p99 | max | asked | failed | mostly for |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, o := range r.Series {
		fmt.Fprintf(b, "| %s | %.1f | %.1f | %.1f | %.1f | %.1f | %d | %d | %s |\n", o.Name,
			o.Rest.P50, o.Rest.P99, o.Attack.P50, o.Attack.P99, o.Attack.Max, o.Attack.Asked, o.Attack.Failed, o.Attack.Error)
	}
	b.WriteString("\n")
}

func mebi(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

func duration(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.2f s", ms/1000)
	}
	return fmt.Sprintf("%.1f ms", ms)
}
