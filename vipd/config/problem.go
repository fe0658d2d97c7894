package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong, or doubtful, at one place of a file.
type Problem struct {
	File   string
	Line   int    // from 1; 0 when the file as a whole is meant
	Column int    // from 1, in characters; a tab is one
	Key    string // dotted, as in vip.front.address; empty when the place has none
	Reason string
	Hint   string // the known word nearest to what was written, or empty
}

// String is `file:line:column: key: reason; did you mean "hint"?` without the parts that are empty.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Reason)
	if p.Hint != "" {
		fmt.Fprintf(&b, "; did you mean %q?", p.Hint)
	}
	return b.String()
}

// Errors is everything wrong with a file, by position.
type Errors []Problem

// Error prints one problem per line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// byPosition orders problems as a reader meets them, and those of one place always alike.
func byPosition(problems []Problem) {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Reason, b.Reason),
		)
	})
}
