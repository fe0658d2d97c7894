package testlab

import (
	"os"
	"strings"
	"testing"

	"vipd/vipd/config"
)

// The pair that the README shows is one that the program takes, without a warning and
// in at most 20 lines.
func TestReadmePair(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "    cluster  =")
	text, _, ends := strings.Cut("    cluster  ="+rest, "\n\nBuild,")
	if !found || !ends {
		t.Fatal("the README shows no pair")
	}
	text = strings.ReplaceAll(text, "\n    ", "\n")
	if lines := strings.Count(text, "\n") + 1; lines > 20 {
		t.Errorf("it takes %d lines", lines)
	}
	settings, err := config.Parse("README.md", []byte(strings.TrimSpace(text)+"\n"))
	if err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
	if len(settings.Nodes) != 2 || len(settings.VIPs) != 1 || len(settings.Warnings) > 0 {
		t.Errorf("it says %+v", settings)
	}
}
