package stories

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what happens into the stories; read each before keeping it")

// dashes part a story from its timeline.
const dashes = "----\n"

// least is how many stories there are at least: every rule has one.
const least = 108

func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < least {
		t.Fatalf("%d stories, want %d or more (%v)", len(files), least, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			play(t, file)
		})
	}
}

func play(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tale, want, _ := strings.Cut(string(text), dashes)
	story, err := Parse(tale)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	got := story.Tell()
	switch {
	case *rewrite:
		if err := os.WriteFile(file, []byte(tale+dashes+got), 0o644); err != nil {
			t.Fatal(err)
		}
	case got != want:
		t.Errorf("%s: what happened is not what is written:\n%s", file, difference(want, got))
	}
}

// difference shows the first line that is not as written, and what follows it.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "written: " + w[i] + "\nhappened: " + strings.Join(g[i:], "\n")
		}
	}
	return "one goes on where the other ends"
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"# no nodes\nvip front",
		"nodes a=1 b=2\nvip front",
		"# a\nnodes b=1\nvip front",
		"# a\nnodes a=x\nvip front",
		"# a\nnodes a=1 b=2\nvip front maybe",
		"# a\nnodes a=1 b=2\nvip front\nset wishes=3",
		"# a\nnodes a=1 b=2\nvip front\nat 1s dance a",
		"# a\nnodes a=1 b=2\nvip front\nat 1s crash z",
		"# a\nnodes a=1 b=2\nvip front\nat soon crash a",
		"# a\nnodes a=1 b=2\nvip front\nat 1s crash a for ever",
		"# a\nnodes a=1 b=2\nvip front\nnonsense",
		"# a\nnodes a=1 b=2\nvip front requires=db",
		"# a\nnodes a=1 b=2\nvip front\ngroup db maybe",
		"# a\nnodes a=1 b=2\nvip front\ngroup db check=often",
		"# a\nnodes a=1 b=2\nvip front\ngroup db after=web",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("accepted:\n%s", text)
		}
	}
}
