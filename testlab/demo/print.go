package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"vipd/testlab/rig"
)

// Row is what was measured of one step of a scenario, from its beginning until the
// address answered steadily again. Durations are in milliseconds.
type Row struct {
	Scenario string `json:"scenario"`
	What     string `json:"what"`
	Failed   string `json:"failed,omitempty"` // why it did not come out
	Unable   string `json:"unable,omitempty"` // why this host can't show it, and what to do

	OutageMS    float64  `json:"outage_ms"`     // longest time without an answer to a datagram
	TCPOutageMS float64  `json:"tcp_outage_ms"` // longest time without a connection that was served
	Asked       int      `json:"asked"`         // datagrams sent
	Lost        int      `json:"lost"`          // of them, never answered
	TCPAsked    int      `json:"tcp_asked"`     // connections tried
	TCPLost     int      `json:"tcp_lost"`      // of them, not served within 200 ms
	AnsweredBy  []string `json:"answered_by"`   // hosts, in the order of their first answers

	TwoAnsweredMS float64 `json:"two_answered_ms"` // time in which two hosts answered for the address
	Announcements int     `json:"announcements"`   // gratuitous ARP seen
	StallMS       float64 `json:"client_stall_ms"` // longest time the client itself sent nothing

	Writing *Writing `json:"writing,omitempty"` // where there is a historian
}

// Writing is what the historian's store saw during a step.
type Writing struct {
	By        []Writer `json:"by"`         // in the order of their first rows
	PauseMS   float64  `json:"pause_ms"`   // longest time without a row that was accepted
	Refused   int      `json:"refused"`    // rows that came with an epoch that was over
	OverlapMS float64  `json:"overlap_ms"` // longest time in which rows of two hosts were accepted
}

// Writer is a host that wrote under an epoch.
type Writer struct {
	Node  string `json:"node"`
	Epoch uint64 `json:"epoch"`
	Rows  int    `json:"rows"`
}

func newRow(scenario, what string, r rig.Report, w *rig.Witness, from, to time.Time) Row {
	return Row{
		Scenario: scenario, What: what,
		OutageMS: ms(r.Datagrams.Outage), Asked: r.Datagrams.Asked, Lost: r.Datagrams.Lost,
		TCPOutageMS: ms(r.Connections.Outage), TCPAsked: r.Connections.Asked, TCPLost: r.Connections.Lost,
		AnsweredBy:    append([]string{}, r.Datagrams.Who...),
		TwoAnsweredMS: ms(w.Dual(from, to)), Announcements: len(w.Announcements(from, to)),
		StallMS: ms(r.Stall),
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// document is the JSON of a demo.
type document struct {
	Rows    []Row   `json:"scenarios"`
	Seconds float64 `json:"seconds"` // that all of it took
	Shells  []shell `json:"shells,omitempty"`
}

// print writes what was measured, as a table or as JSON.
func print(o Options, doc document) error {
	if o.JSON {
		e := json.NewEncoder(o.Out)
		e.SetIndent("", "  ")
		return e.Encode(doc)
	}
	var b strings.Builder
	rows := [][]string{{"SCENARIO", "WHAT HAPPENS", "OUTAGE", "TCP OUTAGE", "LOST", "ANSWERED BY", "TWO ANSWERED"}}
	for i, r := range doc.Rows {
		name := r.Scenario
		if i > 0 && doc.Rows[i-1].Scenario == name {
			name = ""
		}
		rows = append(rows, r.cells(name))
	}
	fmt.Fprintf(&b, "\n%s\n", align(rows))
	b.WriteString(writingTable(doc.Rows))
	for _, r := range doc.Rows {
		if r.Failed != "" {
			b.WriteString(painter(o.Colour).in(red, fmt.Sprintf("failed: %s: %s", r.Scenario, r.Failed)) + "\n")
		}
		if r.Unable != "" {
			fmt.Fprintf(&b, "left out: %s: %s\n", r.Scenario, r.Unable)
		}
	}
	fmt.Fprintf(&b, legend, doc.Seconds)
	for _, s := range doc.Shells {
		fmt.Fprintf(&b, "%-8s  %s\n", s.Host, s.Command)
	}
	_, err := io.WriteString(o.Out, b.String())
	return err
}

// writingTable shows what the historian's store saw; it is empty when there was none.
func writingTable(all []Row) string {
	rows := [][]string{{"THE HISTORIAN MEANWHILE", "NOTHING WRITTEN FOR", "WHO WROTE (EPOCH: ROWS)", "REFUSED", "TWO WROTE"}}
	for _, r := range all {
		if r.Writing == nil {
			continue
		}
		var who []string
		for _, w := range r.Writing.By {
			who = append(who, fmt.Sprintf("%s (%d: %d)", w.Node, w.Epoch, w.Rows))
		}
		rows = append(rows, []string{r.What, figure(r.Writing.PauseMS), strings.Join(who, ", "),
			fmt.Sprint(r.Writing.Refused), figure(r.Writing.OverlapMS)})
	}
	if len(rows) == 1 {
		return ""
	}
	return align(rows) + writingLegend + "\n"
}

const writingLegend = `The historian writes every 5 ms to a store in the client's host, which refuses an
epoch older than one it has seen; refused and two wrote are counted there. It has
disable_inheritance = false: it follows silence alone, which suits a store that
refuses. With the default, true, nobody writes from a power cut until the host is back
or an operator vouches that it is off: never two, and for longer nobody.
`

const legend = `outage: longest time in which no answer reached the client, which asks by UDP
every 1 ms and by TCP every 20 ms; lost: datagrams never answered; two answered:
time in which both hosts answered ARP for the address, asked every 2 ms.
%.1f seconds in all, measured on this machine.
`

// stallShown is the stall of the client, in ms, from which the table mentions it.
const stallShown = 10

func (r Row) cells(name string) []string {
	if r.Asked == 0 { // it never began
		return []string{name, r.What, "-", "-", "-", "-", "-"}
	}
	outage := figure(r.OutageMS)
	if r.StallMS >= stallShown {
		outage += fmt.Sprintf(" (client itself stalled %s)", figure(r.StallMS))
	}
	who := strings.Join(r.AnsweredBy, ", ")
	if who == "" {
		who = "nobody"
	}
	return []string{
		name, r.What, outage, figure(r.TCPOutageMS), fmt.Sprintf("%d of %d", r.Lost, r.Asked), who, figure(r.TwoAnsweredMS),
	}
}

// figure writes milliseconds with two figures or all before the point.
func figure(ms float64) string {
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// align writes rows as columns, two spaces apart.
func align(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// colour is a number of the terminal's (ECMA-48, SGR).
type colour int

const (
	plain colour = 0
	bold  colour = 1
	red   colour = 31
)

// painter colours text, or leaves it as it is.
type painter bool

func (p painter) in(c colour, text string) string {
	if !p || c == plain {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}
