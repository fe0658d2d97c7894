package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// print writes the book as a table or as JSON.
func (b *book) print(out io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(b)
	}
	_, err := io.WriteString(out, b.table()+legend)
	return err
}

// table has a line for each daemon's figure, below headings for the scenarios.
func (b *book) table() string {
	var cells, text strings.Builder
	w := tabwriter.NewWriter(&cells, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FIGURE\tDAEMON\tMEDIAN\tMIN\tMAX\tP90\tN\tSTALLED\tGOAL")
	headings := map[int]string{} // by the line they stand above
	scenario, figure := "", ""
	for i, r := range b.byFigure() {
		if r.Scenario != scenario {
			scenario, figure = r.Scenario, ""
			headings[i+1] = r.Scenario + ": " + r.What + "\n"
		}
		name := ""
		if r.Figure != figure {
			figure, name = r.Figure, r.title()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", name, r.Subject, r.summary(), r.verdict())
	}
	w.Flush() // a Builder takes everything
	line := 0
	for row := range strings.Lines(cells.String()) {
		text.WriteString(headings[line] + row)
		line++
	}
	return text.String()
}

const legend = `
outage: longest time without an answer to the client, which asks by UDP every 1 ms (with
nothing wrong: about 1 ms); two answer: time in which both hosts answered ARP for the
address, asked every 2 ms; moved after: from the command to the first answer of the other
host; announced: gratuitous ARP; flips: how often the other host began to answer the
client; N: repetitions, and those that failed; stalled: of them, those in which the
machine held up the client itself for more than 5 ms.
`

// byFigure puts the daemons of one figure side by side.
func (b *book) byFigure() []*row {
	place := map[string]int{}
	for i, r := range b.Rows {
		if _, ok := place[r.Scenario+r.Figure]; !ok {
			place[r.Scenario+r.Figure] = i
		}
		if _, ok := place[r.Scenario]; !ok {
			place[r.Scenario] = i
		}
	}
	rows := slices.Clone(b.Rows)
	slices.SortStableFunc(rows, func(x, y *row) int {
		if x.Scenario != y.Scenario {
			return place[x.Scenario] - place[y.Scenario]
		}
		return place[x.Scenario+x.Figure] - place[y.Scenario+y.Figure]
	})
	return rows
}

func (r *row) title() string {
	if r.Unit == "" {
		return r.Figure
	}
	return r.Figure + ", " + r.Unit
}

// summary is the cells from the median to the stalls.
func (r *row) summary() string {
	n := fmt.Sprint(len(r.Values))
	if len(r.Failures) > 0 {
		n += fmt.Sprintf(" + %d failed", len(r.Failures))
	}
	if len(r.Values) == 0 {
		return "-\t-\t-\t-\t" + n + "\t-"
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d", number(quantile(r.Values, 0.5)), number(slices.Min(r.Values)),
		number(slices.Max(r.Values)), number(quantile(r.Values, 0.9)), n, r.stalled())
}

// verdict is the goal and whether it is met.
func (r *row) verdict() string {
	if r.Goal == nil || len(r.Values) == 0 {
		return "-"
	}
	which := ""
	if r.Worst {
		which = "max "
	}
	over := r.judged() - *r.Goal
	if over <= 0 {
		return fmt.Sprintf("%s≤ %g meets", which, *r.Goal)
	}
	return fmt.Sprintf("%s≤ %g misses by %s", which, *r.Goal, number(over))
}

// number writes a figure with three digits or all before the point.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
