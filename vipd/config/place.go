package config

import (
	"strconv"
	"strings"
)

// place is where a key stands in the text. Places form a tree beside the library's tree of values.
type place struct {
	path     string            // dotted, as it is shown to people
	key      int               // offset of the key or of the header's name; of the first mention for an implied table
	value    int               // offset of the value; equals key where a header makes the table
	defined  bool              // by a header or a value, not only implied by a longer name
	children map[string]*place // of a table
	items    []int             // of an array: the offset of each element
}

// part is one name of a dotted key.
type part struct {
	name   string
	offset int
}

// child finds or makes the place of one name in the table p.
func (p *place) child(name string, offset int) *place {
	if c, ok := p.children[name]; ok {
		return c
	}
	c := &place{path: dotted(p.path, name), key: offset, value: offset}
	if p.children == nil {
		p.children = map[string]*place{}
	}
	p.children[name] = c
	return c
}

// descend follows parts from p, making implied tables on the way. fresh is false when the last was there before.
func (p *place) descend(parts []part) (at *place, fresh bool) {
	at = p
	for _, next := range parts {
		_, known := at.children[next.name]
		at, fresh = at.child(next.name, parts[0].offset), !known
	}
	return at, fresh
}

// dotted extends a path by a name, in quotes where a dot or a blank would mislead.
func dotted(path, name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !bare(r) }) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// bare tells whether r may stand in a key without quotes.
func bare(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}

// find is the place of a longer name, or the nearest one above it.
func (p *place) find(names ...string) *place {
	for _, name := range names {
		c, ok := p.children[name]
		if !ok {
			return p
		}
		p = c
	}
	return p
}

// item is the offset of an array's element, or of the value when it has no such element.
func (p *place) item(i int) int {
	if i < len(p.items) {
		return p.items[i]
	}
	return p.value
}
