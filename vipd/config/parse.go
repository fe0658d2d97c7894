package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// Parse checks the text of a configuration; file is its name in problems. The error is Errors and holds everything
// that is wrong, as far as the text is TOML at all.
func Parse(file string, text []byte) (Settings, error) {
	r := &reader{source: newSource(file, strings.TrimPrefix(string(text), "\uFEFF"))}
	root, ok := r.decode()
	if !ok {
		return Settings{}, r.errors()
	}
	s := root.settings()
	if len(r.problems) > 0 {
		return Settings{}, r.errors()
	}
	byPosition(r.warnings)
	s.Warnings = r.warnings
	return s, nil
}

// reader gathers what is wrong and what is doubtful while it makes settings of a text.
type reader struct {
	source
	problems []Problem
	warnings []Problem
}

func (r *reader) errors() Errors {
	byPosition(r.problems)
	return r.problems
}

func (r *reader) refuse(offset int, key, reason, hint string) {
	r.problems = append(r.problems, r.problem(offset, key, reason, hint))
}

func (r *reader) warn(offset int, key, reason string) {
	r.warnings = append(r.warnings, r.problem(offset, key, reason, ""))
}

// decode makes values and their places of the text, or refuses it as TOML.
func (r *reader) decode() (table, bool) {
	if offset, reason := r.unreadable(); reason != "" {
		r.refuse(offset, "", reason, "")
		return table{}, false
	}
	found := scan(r.text)
	for _, again := range found.again {
		reason := fmt.Sprintf("given twice; first in line %d", r.line(again.first))
		r.refuse(again.offset, again.path, reason, "")
	}
	if f := found.failed; f != nil && f.reason != "" {
		r.refuse(f.offset, "", f.reason, "")
	}
	if len(r.problems) > 0 {
		return table{}, false
	}
	values := map[string]any{}
	if _, err := toml.Decode(r.text, &values); err != nil {
		r.refuseSyntax(err)
		return table{}, false
	}
	return table{reader: r, at: found.root, values: values}, true
}

// refuseSyntax takes the offset from the library; its line is wrong at the end of a file.
func (r *reader) refuseSyntax(err error) {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		syntax.Message = err.Error()
	}
	r.refuse(syntax.Position.Start, "", "not TOML: "+strings.TrimSuffix(syntax.Message, "."), "")
}
