package config

import "strings"

// maxNesting bounds the dots of a key and the brackets of a value; the deepest known key has four parts. It is checked
// before the library sees the text, whose parser recurses without a bound.
const maxNesting = 8

// scanner follows the syntax of TOML 1.1 without decoding values. It takes more than the library does: what it cannot
// follow, the library refuses with a reason.
type scanner struct {
	text   string
	pos    int
	root   *place
	failed *fault   // what stopped it before the end
	again  []repeat // keys and tables that are given twice
}

// fault is a reason at an offset. An empty reason leaves the wording to the library.
type fault struct {
	offset int
	reason string
}

// repeat is a key at an offset that stood at an earlier one.
type repeat struct {
	path          string
	offset, first int
}

// scan finds where every key of the text stands.
func scan(text string) *scanner {
	s := &scanner{text: text, root: &place{}}
	here, ok := s.root, true
	for ok {
		s.blank()
		switch s.peek() {
		case 0:
			return s
		case '[':
			here, ok = s.header()
		default:
			ok = s.pair(here, 0)
		}
		ok = ok && s.lineEnd()
	}
	if s.failed == nil {
		s.failed = &fault{offset: s.pos}
	}
	return s
}

// header reads [name] or [[name]] and returns the table that the next keys go into.
func (s *scanner) header() (*place, bool) {
	s.pos++
	array := s.take("[")
	parts, ok := s.name()
	if !ok || !s.take("]") || array && !s.take("]") {
		return nil, false
	}
	at, _ := s.root.descend(parts)
	switch {
	case !at.defined:
		at.key, at.value, at.defined = parts[0].offset, parts[0].offset, true
	case array:
		at.children = nil // the keys of the element before are not given twice
	default:
		s.again = append(s.again, repeat{at.path, parts[0].offset, at.key})
	}
	return at, true
}

// pair reads key = value into the table here.
func (s *scanner) pair(here *place, depth int) bool {
	parts, ok := s.name()
	if !ok || !s.take("=") {
		return false
	}
	s.spaces()
	at, fresh := here.descend(parts)
	if !fresh {
		s.again = append(s.again, repeat{at.path, parts[0].offset, at.key})
		at = &place{path: at.path} // what belongs to the first stays there
	}
	at.key, at.value, at.defined = parts[0].offset, s.pos, true
	return s.value(at, depth)
}

// name reads a dotted key and the blanks around its parts.
func (s *scanner) name() ([]part, bool) {
	var parts []part
	for {
		s.spaces()
		offset := s.pos
		name, ok := s.word()
		if !ok {
			return nil, false
		}
		parts = append(parts, part{name, offset})
		s.spaces()
		if !s.take(".") {
			return parts, true
		}
		if len(parts) == maxNesting {
			return nil, s.fail(parts[0].offset, tooDeep)
		}
	}
}

// word reads one part of a key: bare, "basic" or 'literal'.
func (s *scanner) word() (string, bool) {
	start := s.pos
	switch s.peek() {
	case '"':
		if !s.quoted('"') {
			return "", false
		}
		return unescape(s.text[start+1 : s.pos-1]), true
	case '\'':
		if !s.quoted('\'') {
			return "", false
		}
		return s.text[start+1 : s.pos-1], true
	}
	for s.pos < len(s.text) && bare(rune(s.text[s.pos])) {
		s.pos++
	}
	return s.text[start:s.pos], s.pos > start
}

const tooDeep = "nested deeper than 8 levels; no key needs that"

// value passes over the value of at, noting what lies inside.
func (s *scanner) value(at *place, depth int) bool {
	start := s.pos
	switch c := s.peek(); {
	case depth == maxNesting:
		return s.fail(start, tooDeep)
	case strings.HasPrefix(s.text[start:], `"""`), strings.HasPrefix(s.text[start:], `'''`):
		return s.multiline(s.text[start : start+3])
	case c == '"' || c == '\'':
		return s.quoted(c)
	case c == '[':
		return s.array(at, depth)
	case c == '{':
		return s.inline(at, depth)
	}
	if n := strings.IndexAny(s.text[start:], ",]}#\r\n"); n >= 0 {
		s.pos += n
	} else {
		s.pos = len(s.text)
	}
	return s.pos > start
}

// array passes over [a, b, …] and notes where each element begins.
func (s *scanner) array(at *place, depth int) bool {
	open := s.pos
	s.pos++
	for {
		s.blank()
		if s.take("]") {
			return true
		}
		at.items = append(at.items, s.pos)
		if !s.value(&place{path: at.path}, depth+1) {
			return s.unclosed(open, "array")
		}
		s.blank()
		if !s.take(",") && s.peek() != ']' {
			return s.unclosed(open, "array")
		}
	}
}

// inline passes over { key = value, … }; its keys are children of at.
func (s *scanner) inline(at *place, depth int) bool {
	open := s.pos
	s.pos++
	for {
		s.blank()
		if s.take("}") {
			return true
		}
		if !s.pair(at, depth+1) {
			return s.unclosed(open, "inline table")
		}
		s.blank()
		if !s.take(",") && s.peek() != '}' {
			return s.unclosed(open, "inline table")
		}
	}
}
