package testlab

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	ruleExplained = regexp.MustCompile(`(?m)^\* \*\*([A-Z]\d+)\. ?`)
	ruleKept      = regexp.MustCompile(`\b([HTFPKGM]\d+)\b`)
)

// Every rule of docs/protocol.md is named where package token keeps it, and the other way round.
func TestRulesAreKept(t *testing.T) {
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	explained, kept := map[string]bool{}, map[string]bool{}
	for _, found := range ruleExplained.FindAllStringSubmatch(string(text), -1) {
		if explained[found[1]] {
			t.Errorf("docs/protocol.md explains %s twice", found[1])
		}
		explained[found[1]] = true
	}
	files, _ := filepath.Glob("../token/*.go")
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(source)) {
			if _, comment, ok := strings.Cut(line, "//"); ok {
				for _, found := range ruleKept.FindAllStringSubmatch(comment, -1) {
					kept[found[1]] = true
				}
			}
		}
	}
	for rule := range explained {
		if !kept[rule] {
			t.Errorf("no comment in package token says where %s is kept", rule)
		}
	}
	for rule := range kept {
		if !explained[rule] || len(explained) < 30 {
			t.Errorf("docs/protocol.md does not explain %s", rule)
		}
	}
}
