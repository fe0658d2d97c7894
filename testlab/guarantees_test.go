package testlab

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	tale     = regexp.MustCompile(`^[a-z0-9-]+$`)
	code     = regexp.MustCompile("`([^`]+)`")
	declared = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// Every test that docs/guarantees.md names as a proof exists.
func TestGuaranteesAreShown(t *testing.T) {
	text, err := os.ReadFile("../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for line := range strings.Lines(string(text)) {
		row := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(row) != 2 || !strings.Contains(row[1], "`") {
			continue
		}
		for _, found := range code.FindAllStringSubmatch(row[1], -1) {
			named += shown(t, found[1])
		}
	}
	if named < 80 {
		t.Errorf("found %d tests and stories, there must be more", named)
	}
}

// shown looks for the tests of a package, or the story, that a piece of code names, and
// returns how many there are; what runs something else is none.
func shown(t *testing.T, what string) (named int) {
	t.Helper()
	words := strings.Fields(what)
	switch {
	case strings.HasPrefix(what, "./"):
		exists := tests(filepath.Join("..", words[0]))
		if len(exists) == 0 {
			t.Errorf("%s has no tests", words[0])
		}
		for _, name := range words[1:] {
			if !exists[name] {
				t.Errorf("%s has no %s", words[0], name)
			}
		}
		return len(words) - 1
	case tale.MatchString(what):
		if _, err := os.Stat(filepath.Join("stories/testdata", what+".txt")); err != nil {
			t.Errorf("no story %s", what)
		}
		return 1
	}
	return 0
}

// tests are those of the package in a folder.
func tests(folder string) map[string]bool {
	found := make(map[string]bool)
	files, _ := filepath.Glob(filepath.Join(folder, "*_test.go"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, name := range declared.FindAllSubmatch(text, -1) {
			found[string(name[1])] = true
		}
	}
	return found
}
