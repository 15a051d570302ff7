package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteMarkdown writes the report as a page; chart is the name of the chart
// beside it.
func (r Report) WriteMarkdown(w io.Writer, chart string) error {
	var b strings.Builder
	b.WriteString("# Comparison with other servers\n\n")
	fmt.Fprintf(&b, "%s, revision %s, by `%s`: %d rounds, %g s a load. "+
		"In each round every server of a case was started afresh, checked, warmed up and loaded, one server at a time, "+
		"every second round in reverse order. All servers share all cores with the client; nothing is pinned. "+
		"A figure is the median (smallest–largest). CPU is what the server's whole process tree spent around the load, "+
		"divided by the requests that the client counted as good.\n\n", r.Date, r.Revision, r.Command, r.Rounds, r.Seconds)
	writeFacts(&b, "Machine", r.Machine)
	writeFacts(&b, "Version", r.Versions)
	fmt.Fprintf(&b, "![chart](%s)\n\n## Targets\n\n", chart)
	r.writeVerdicts(&b)
	for _, c := range r.Cases {
		c.write(&b)
	}
	r.writeCommands(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeFacts(b *strings.Builder, title string, facts []Fact) {
	fmt.Fprintf(b, "| %s | |\n|---|---|\n", title)
	for _, f := range facts {
		fmt.Fprintf(b, "| %s | %s |\n", f.Name, f.Value)
	}
	b.WriteString("\n")
}

func (r Report) writeVerdicts(b *strings.Builder) {
	b.WriteString("| case | ours | measured | target | |\n|---|---|---|---|---|\n")
	for _, c := range r.Cases {
		for _, v := range c.Verdicts {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n",
				c.Title, c.name(v.Ours), v.measured(), v.target(c), v.outcome())
		}
	}
	b.WriteString("\n")
}

func (v Verdict) measured() string {
	switch {
	case v.Value == nil:
		return "–"
	case v.Reference == "":
		return v.Value.text()
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", v.Value.Median, v.Value.Min, v.Value.Max)
}

func (v Verdict) target(c Case) string {
	sign := "≤"
	if v.Metric.moreIsBetter() {
		sign = "≥"
	}
	if v.Reference == "" {
		return fmt.Sprintf("%s %s %g", v.Metric.name(), sign, v.Limit)
	}
	return fmt.Sprintf("%s %s %.3g × %s", v.Metric.name(), sign, v.Limit, c.name(v.Reference))
}

func (v Verdict) outcome() string {
	switch {
	case v.Value == nil:
		return "not measured"
	case v.Met:
		return "met"
	}
	return "**falls short**"
}

// name is the metric as the tables call it.
func (m Metric) name() string {
	switch m {
	case CPU:
		return "CPU us/request"
	case Rate:
		return "requests/s"
	case Memory:
		return "PSS bytes/connection"
	case Scrape:
		return "ms for 99 of 100 answers"
	}
	return string(m)
}

// text formats a spread with three significant digits.
func (s Spread) text() string {
	median, least, most := number(s.Median), number(s.Min), number(s.Max)
	if least == most {
		return median
	}
	return fmt.Sprintf("%s (%s–%s)", median, least, most)
}

func number(v float64) string { return strconv.FormatFloat(round(v), 'f', -1, 64) }

func (c Case) write(b *strings.Builder) {
	fmt.Fprintf(b, "## %s\n\n`%s`: %s.\n\n", c.Title, c.ID, c.Load)
	switch c.metric() {
	case Memory:
		c.writeMemory(b)
	case Scrape:
		c.writeScrapes(b)
	default:
		c.writeLoad(b)
	}
	for _, s := range c.Servers {
		if s.Problem != "" {
			fmt.Fprintf(b, "- %s: %s\n", s.Name, oneLine(s.Problem))
		}
	}
	b.WriteString("\n")
}

func (c Case) writeLoad(b *strings.Builder) {
	b.WriteString("| server | CPU us/request | requests/s | p50 us | p99 us | client CPU us | errors |\n|---|---|---|---|---|---|---|\n")
	for _, s := range c.Servers {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %d |\n", s.title(),
			s.cell(CPU.Of), s.cell(Rate.Of),
			s.cell(func(x Sample) float64 { return x.P50 }), s.cell(func(x Sample) float64 { return x.P99 }),
			s.cell(func(x Sample) float64 { return x.ClientCPU }), s.bad())
	}
	b.WriteString("\n")
}

func (c Case) writeMemory(b *strings.Builder) {
	b.WriteString("| server | PSS bytes/connection | RSS bytes/connection |\n|---|---|---|\n")
	for _, s := range c.Servers {
		fmt.Fprintf(b, "| %s | %s | %s |\n", s.title(),
			s.cell(Memory.Of), s.cell(func(x Sample) float64 { return x.RSS }))
	}
	b.WriteString("\n")
}

func (c Case) writeScrapes(b *strings.Builder) {
	b.WriteString("| server | path | p50 ms | p99 ms | max ms | bytes | answers a round | requests/s beside it |\n|---|---|---|---|---|---|---|---|\n")
	for _, s := range c.Servers {
		for i := range s.paths() {
			at := func(of func(Scrapes) float64) string {
				return s.cell(func(x Sample) float64 {
					if i >= len(x.Scrapes) {
						return 0
					}
					return of(x.Scrapes[i])
				})
			}
			fmt.Fprintf(b, "| %s | `%s` | %s | %s | %s | %s | %s | %s |\n", s.title(), s.paths()[i],
				at(func(x Scrapes) float64 { return x.P50 }), at(func(x Scrapes) float64 { return x.P99 }),
				at(func(x Scrapes) float64 { return x.Max }), at(func(x Scrapes) float64 { return float64(x.Bytes) }),
				at(func(x Scrapes) float64 { return float64(x.Count) }), s.cell(Rate.Of))
		}
	}
	b.WriteString("\n")
}

// paths are those that the server was asked for.
func (s Server) paths() (all []string) {
	if len(s.Samples) == 0 {
		return nil
	}
	for _, one := range s.Samples[0].Scrapes {
		all = append(all, one.Path)
	}
	return all
}

func (s Server) title() string {
	if s.Ours {
		return "**" + s.Name + "**"
	}
	return s.Name
}

// cell formats the spread of something over the samples, a dash where it was
// not measured.
func (s Server) cell(of func(Sample) float64) string {
	values := make([]float64, 0, len(s.Samples))
	for _, sample := range s.Samples {
		values = append(values, of(sample))
	}
	spread, ok := spreadOf(values)
	if !ok || spread.Max == 0 {
		return "–"
	}
	return spread.text()
}

func (r Report) writeCommands(b *strings.Builder) {
	b.WriteString("## Commands\n\n")
	seen := map[string]bool{}
	for _, c := range r.Cases {
		for _, s := range c.Servers {
			if s.Command == "" || seen[s.Command] {
				continue
			}
			seen[s.Command] = true
			fmt.Fprintf(b, "- %s: `%s`\n", s.Name, s.Command)
		}
	}
}

// oneLine fits a message of several lines into a list item.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
