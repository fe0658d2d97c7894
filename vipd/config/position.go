package config

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// source is a file's name and text, and turns offsets into lines and columns.
type source struct {
	file  string
	text  string
	lines []int // offset of the first byte of each line
}

func newSource(file, text string) source {
	s := source{file: file, text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// problem places a reason at an offset, in bytes from the start of the text.
func (s source) problem(offset int, key, reason, hint string) Problem {
	offset = max(0, min(offset, len(s.text)))
	line := s.line(offset)
	column := utf8.RuneCountInString(s.text[s.lines[line-1]:offset]) + 1
	return Problem{File: s.file, Line: line, Column: column, Key: key, Reason: reason, Hint: hint}
}

// line is the number of the line that holds an offset, from 1.
func (s source) line(offset int) int { return sort.SearchInts(s.lines, offset+1) }

// unreadable finds the first thing that no configuration may contain, before anything tries to make sense of the text.
func (s source) unreadable() (offset int, reason string) {
	if len(s.text) > MaxFile {
		return 0, "larger than 1 MiB; this is no configuration"
	}
	for i, r := range s.text {
		switch {
		case r == 0:
			return i, "a NUL byte; write the file as UTF-8 text, not UTF-16"
		case r == utf8.RuneError && !strings.HasPrefix(s.text[i:], "\uFFFD"):
			return i, "not UTF-8; save the file with that encoding"
		case r == '\r' && !strings.HasPrefix(s.text[i:], "\r\n"), r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return i, "a control character; only tabs and line ends may stand here"
		}
	}
	return 0, ""
}
