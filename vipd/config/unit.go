package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// How a command and the state of a unit are named; a unit of systemd is named by itself.
const (
	execPrefix    = "exec:"
	unitPrefix    = "unit:"
	serviceSuffix = ".service"
)

// maxService is the longest name of a unit that systemd takes (UNIT_NAME_MAX), in bytes.
const maxService = 255

// units reads what a group runs. One that is refused stays in the list, so that the others keep their index.
func (t table) units() []string {
	t.need("units", `name what the group runs: units = ["NAME.service"]`)
	if t.empty("units") {
		t.wrong("units", "empty; a group runs one unit at least")
	}
	at := t.at.find("units")
	found := t.list("units", "units", `["NAME.service"]`, MaxUnits)
	for i, text := range found {
		if reason, hint := badUnit(text); text != "" && reason != "" { // an empty one was refused by list
			t.refuse(at.item(i), at.path, fmt.Sprintf("%q %s", text, reason), hint)
		}
	}
	return found
}

// badUnit says why text names no unit, and what was probably meant; or nothing.
func badUnit(text string) (reason, hint string) {
	line, isCommand := strings.CutPrefix(text, execPrefix)
	switch {
	case isCommand && strings.ContainsAny(line, `'\`):
		return `holds ' or \, which no command may; "…" keeps blanks together`, ""
	case isCommand:
		return badCommand(line), ""
	case filepath.IsAbs(text):
		hint = execPrefix + text
	case !strings.Contains(text, ".") && badService(text+serviceSuffix) == "":
		hint = text + serviceSuffix
	}
	return badService(text), hint
}

// badService says why text is no service of systemd that vipd can run, or nothing.
func badService(text string) string {
	stem, ok := strings.CutSuffix(text, serviceSuffix)
	foreign := func(r rune) bool { return !bare(r) && !strings.ContainsRune(`.:@\`, r) }
	switch {
	case !ok:
		return "is no unit; expected NAME.service or exec:/path"
	case stem == "" || len(text) > maxService || strings.ContainsFunc(stem, foreign):
		return "is no name that systemd takes"
	case strings.Contains(text, "@."):
		return "is a template; name an instance, as in " + strings.Replace(text, "@.", "@1.", 1)
	case stem == "vipd":
		return "is this daemon, which cannot run itself"
	}
	return ""
}

// badCommand says why what follows exec: cannot be run, or nothing.
func badCommand(line string) string {
	argv, err := command(line)
	switch {
	case strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "holds a control character; a command is one line"
	case err != nil:
		return "cannot run: " + err.Error()
	case len(argv) == 0:
		return "names no program; expected exec:/path"
	}
	return ""
}

// unitsOnce refuses a unit in two groups, or twice in one: the second would stop what the first runs.
func (t table) unitsOnce(groups []Group) {
	owner := map[string]string{}
	for _, g := range groups {
		for i, text := range g.Units {
			same := sameUnit(text)
			switch other, taken := owner[same]; {
			case same == "": // refused
			case taken && other == g.Name:
				t.under(g.Name).wrongItem("units", i, "%q is given twice", text)
			case taken:
				t.under(g.Name).wrongItem("units", i, "%q is a unit of group %s too", text, other)
			default:
				owner[same] = g.Name
			}
		}
	}
}

// sameUnit is alike for two texts that name one unit, and empty for one that names none.
func sameUnit(text string) string {
	if reason, _ := badUnit(text); reason != "" {
		return ""
	}
	if line, ok := strings.CutPrefix(text, execPrefix); ok {
		argv, _ := command(line)
		return execPrefix + strings.Join(argv, "\x00")
	}
	return text
}
