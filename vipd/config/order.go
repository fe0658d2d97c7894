package config

import (
	"slices"
	"strings"
)

// together refuses to be on the node of a group that every fit node runs.
func (t table) together(groups []Group) {
	both := map[string]bool{}
	for _, g := range groups {
		both[g.Name] = g.Both
	}
	for _, g := range groups {
		for _, name := range g.With {
			if both[name] && !g.Both { // else with itself is refused
				t.under(g.Name).wrong("with", "every fit node runs %s; to start later than it, name it in after", name)
			}
		}
	}
}

// circles refuses groups that wait for each other, each circle once and named from its start to its start.
func (t table) circles(groups []Group) {
	after, done := map[string][]string{}, map[string]bool{}
	for _, g := range groups {
		after[g.Name] = g.After
	}
	var path []string
	var walk func(name string)
	walk = func(name string) {
		if i := slices.Index(path, name); i >= 0 {
			circle := strings.Join(append(slices.Clone(path[i:]), name), " -> ")
			t.under(name).wrong("after", "%s; none of them could start first", circle)
			return
		}
		if done[name] {
			return
		}
		done[name] = true
		path = append(path, name)
		for _, first := range after[name] {
			walk(first)
		}
		path = path[:len(path)-1]
	}
	for _, g := range groups {
		walk(g.Name)
	}
}
