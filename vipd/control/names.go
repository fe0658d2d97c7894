package control

import (
	"fmt"
	"strings"
)

// names are the words a request may use.
type names struct {
	self   string
	nodes  []string
	tokens []string
	groups []string
}

func namesOf(s Status) names {
	n := names{self: s.Node}
	for _, node := range s.Nodes {
		n.nodes = append(n.nodes, node.Name)
	}
	for _, t := range s.Tokens {
		n.tokens = append(n.tokens, t.Name)
	}
	for _, g := range s.Groups {
		n.groups = append(n.groups, g.Name)
	}
	return n
}

func (n names) checkToken(name string) error { return checkName("token", name, n.tokens) }
func (n names) checkNode(name string) error  { return checkName("node", name, n.nodes) }

func checkName(what, name string, known []string) error {
	for _, k := range known {
		if k == name {
			return nil
		}
	}
	hint := fmt.Sprintf("; the %ss are: %s", what, strings.Join(known, ", "))
	if len(known) == 0 {
		hint = "; there are none"
	}
	if near := Nearest(name, known); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near) + strings.Replace(hint, ";", "", 1)
	}
	if name == "" {
		return Errorf(CodeUsage, "no %s named%s", what, hint)
	}
	return Errorf(CodeUsage, "unknown %s %q%s", what, name, hint)
}

// maxGuess is the longest word, in bytes, for which a near one is sought.
const maxGuess = 64

// Nearest is the word of known that was probably meant: at most two edits
// away, or differing in nothing but a missing prefix such as "vip:". It is ""
// when none is near.
func Nearest(word string, known []string) string {
	best, near := 3, ""
	if word == "" || len(word) > maxGuess {
		return near
	}
	for _, k := range known {
		d := edits(strings.ToLower(word), strings.ToLower(k))
		if strings.HasSuffix(k, ":"+word) {
			d = 0
		}
		if d < best && d < len(k) {
			best, near = d, k
		}
	}
	return near
}

// edits is the Levenshtein distance of two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0] // the cell above and to the left
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
