package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"vipd/host/child"
)

// hooks reads a list of commands that run with the rights.
func (t table) hooks(key string, rights child.Rights) []Hook {
	var found []Hook
	const example = `["/usr/local/bin/tell --up"]`
	for i, line := range t.list(key, "commands", example, MaxHooks) {
		if line == "" { // refused by list
			continue
		}
		argv, err := command(line)
		switch {
		case err != nil:
			t.wrongItem(key, i, "%s", err)
		case len(argv) == 0:
			t.wrongItem(key, i, "blank; expected a command as in %s", example)
		default:
			found = append(found, Hook{Argv: argv, Rights: rights})
		}
	}
	return found
}

// command splits a line into a program and its arguments; there is none in a blank line.
func command(line string) ([]string, error) {
	argv, err := words(line)
	if err == nil && len(argv) > 0 && !filepath.IsAbs(argv[0]) {
		err = fmt.Errorf("%q is not absolute; no shell looks for it, so begin it with /", argv[0])
	}
	return argv, err
}

// words splits a command at blanks. What stands in "…" or '…' is kept together and taken as it is; nothing else has a
// meaning, as no shell is involved.
func words(line string) ([]string, error) {
	var (
		found []string
		word  strings.Builder
		begun bool // an empty "" is a word too
		quote rune
	)
	for _, r := range line {
		switch {
		case r == 0:
			return nil, errors.New("a NUL byte cannot be part of a command")
		case r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, begun = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if begun {
				found = append(found, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("the quote " + string(quote) + " is not closed")
	}
	if begun {
		found = append(found, word.String())
	}
	return found, nil
}
