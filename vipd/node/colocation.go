package node

import "slices"

// colocation says, by its token, which tokens draw a group to their node. Groups that
// name each other, or do so in a circle, would change places for ever: of those all
// follow the first by name, and that one follows none of them.
func colocation(groups []Group) map[string][]string {
	with := make(map[string][]string, len(groups))
	for _, g := range groups {
		with[g.Token] = g.With
	}
	follows := map[string][]string{}
	for _, g := range groups {
		first := g.Token
		for other := range with {
			if other < first && pulls(with, g.Token, other) && pulls(with, other, g.Token) {
				first = other
			}
		}
		for _, other := range g.With {
			if pulls(with, other, g.Token) {
				other = first
			}
			if other != g.Token && !slices.Contains(follows[g.Token], other) {
				follows[g.Token] = append(follows[g.Token], other)
			}
		}
	}
	return follows
}

// pulls reports whether one names the other, itself or by those it names.
func pulls(with map[string][]string, from, to string) bool {
	seen := map[string]bool{}
	for open := []string{from}; len(open) > 0; {
		var next []string
		for _, name := range open {
			if slices.Contains(with[name], to) {
				return true
			}
			if !seen[name] {
				seen[name] = true
				next = append(next, with[name]...)
			}
		}
		open = next
	}
	return false
}
