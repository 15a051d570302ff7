package report

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// The measures of the chart, in pixels.
const (
	chartWidth  = 860
	nameWidth   = 210
	valueWidth  = 150
	barHeight   = 16
	barGap      = 6
	panelTitle  = 30
	panelGap    = 22
	chartMargin = 20
	chartHead   = 56
)

const chartStyle = `<style>
text{font:13px system-ui,sans-serif;fill:#1c2330}
.head{font-size:18px;font-weight:600}.note{font-size:12px;fill:#5b6677}.title{font-weight:600}
.bar{fill:#b6bfcc}.ours{fill:#0a7d5a}.spread{stroke:#1c2330;stroke-width:1.5;opacity:.55}
.frame{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#e8ecf2}.note{fill:#9aa6b8}.bar{fill:#4a5568}.ours{fill:#2fc08f}.spread{stroke:#e8ecf2}.frame{fill:#161b22}}
</style>
`

// bar is one server in a panel.
type bar struct {
	name   string
	ours   bool
	spread Spread
}

// WriteChart draws a panel a case: a bar for each server, the shortest first,
// with a line from the smallest to the largest value.
func (r Report) WriteChart(w io.Writer) error {
	var b strings.Builder
	y := chartHead
	for _, c := range r.Cases {
		y = c.drawPanel(&b, y)
	}
	height := y + chartMargin
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">
%[3]s<rect class="frame" width="%[1]d" height="%[2]d"/>
<text class="head" x="%[4]d" y="28">asteri-loop beside other servers: shorter is better</text>
<text class="note" x="%[4]d" y="46">%[5]s, revision %[6]s; medians of %[7]d rounds, lines from smallest to largest</text>
%[8]s</svg>
`, chartWidth, height, chartStyle, chartMargin, html.EscapeString(r.Date), html.EscapeString(r.Revision), r.Rounds, b.String())
	return err
}

// bars returns what there is to draw of a case, the best first.
func (c Case) bars() []bar {
	var bars []bar
	for _, s := range c.Servers {
		if spread, ok := s.Spread(c.metric()); ok {
			bars = append(bars, bar{s.Name, s.Ours, spread})
		}
	}
	slices.SortStableFunc(bars, func(a, b bar) int {
		switch {
		case a.spread.Median < b.spread.Median:
			return -1
		case a.spread.Median > b.spread.Median:
			return 1
		}
		return 0
	})
	return bars
}

// drawPanel draws a case from y down and returns where the next one begins.
func (c Case) drawPanel(b *strings.Builder, y int) int {
	bars := c.bars()
	if len(bars) == 0 {
		return y
	}
	y += panelGap
	fmt.Fprintf(b, `<text class="title" x="%d" y="%d">%s <tspan class="note">%s</tspan></text>`+"\n",
		chartMargin, y, html.EscapeString(c.Title), html.EscapeString(c.metric().name()))
	y += panelTitle - barHeight
	var most float64
	for _, one := range bars {
		most = max(most, one.spread.Max)
	}
	scale := float64(chartWidth-2*chartMargin-nameWidth-valueWidth) / max(most, 1e-9)
	for _, one := range bars {
		one.draw(b, y, scale)
		y += barHeight + barGap
	}
	return y
}

func (one bar) draw(b *strings.Builder, y int, scale float64) {
	class := "bar"
	if one.ours {
		class = "ours"
	}
	left := float64(chartMargin + nameWidth)
	at := func(v float64) float64 { return left + max(0, v)*scale }
	text, middle := y+barHeight-4, y+barHeight/2
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`, chartMargin, text, html.EscapeString(one.name))
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="2"/>`,
		class, left, y, max(1, at(one.spread.Median)-left), barHeight)
	fmt.Fprintf(b, `<line class="spread" x1="%.1f" y1="%d" x2="%.1f" y2="%[2]d"/>`,
		at(one.spread.Min), middle, at(one.spread.Max))
	fmt.Fprintf(b, `<text x="%.1f" y="%d">%s</text>`+"\n", at(one.spread.Max)+8, text, number(one.spread.Median))
}
