package config

import "strings"

// quoted passes over a string that ends on its own line; only "basic" ones know escapes.
func (s *scanner) quoted(quote byte) bool {
	open := s.pos
	for s.pos++; s.pos < len(s.text) && s.text[s.pos] != '\n'; s.pos++ {
		switch {
		case s.text[s.pos] == quote:
			s.pos++
			return true
		case quote == '"' && s.text[s.pos] == '\\':
			s.pos++
		}
	}
	return s.fail(open, "this string does not end on its line")
}

// multiline passes over a string of several lines. One or two quotes may stand right before the closing three.
func (s *scanner) multiline(quotes string) bool {
	open := s.pos
	for s.pos += 3; s.pos < len(s.text); s.pos++ {
		switch {
		case strings.HasPrefix(s.text[s.pos:], quotes):
			s.pos += 3
			for range 2 {
				s.take(quotes[:1])
			}
			return true
		case quotes[0] == '"' && s.text[s.pos] == '\\':
			s.pos++
		}
	}
	return s.fail(open, "this string never ends; close it with "+quotes)
}

// lineEnd passes over what may follow a value or header on its line.
func (s *scanner) lineEnd() bool {
	s.spaces()
	s.comment()
	return s.pos >= len(s.text) || s.take("\n") || s.take("\r\n")
}

// blank passes over blanks, line ends and comments.
func (s *scanner) blank() {
	for start := -1; start != s.pos; {
		start = s.pos
		s.pos += len(s.text[s.pos:]) - len(strings.TrimLeft(s.text[s.pos:], " \t\r\n"))
		s.comment()
	}
}

func (s *scanner) comment() {
	if s.peek() != '#' {
		return
	}
	if n := strings.IndexByte(s.text[s.pos:], '\n'); n >= 0 {
		s.pos += n
	} else {
		s.pos = len(s.text)
	}
}

func (s *scanner) spaces() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.pos++
	}
}

// peek is the next byte, or 0 at the end; a text holds no NUL.
func (s *scanner) peek() byte {
	if s.pos >= len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

// take passes over want if that comes next.
func (s *scanner) take(want string) bool {
	if s.pos > len(s.text) || !strings.HasPrefix(s.text[s.pos:], want) {
		return false
	}
	s.pos += len(want)
	return true
}

// unclosed blames the opening bracket when the text ends before the closing one.
func (s *scanner) unclosed(open int, what string) bool {
	if s.pos < len(s.text) {
		return false
	}
	return s.fail(open, "this "+what+" is never closed")
}

// fail keeps the first reason, which is the innermost. It returns false for its callers to return.
func (s *scanner) fail(offset int, reason string) bool {
	if s.failed == nil {
		s.failed = &fault{offset, reason}
	}
	return false
}
