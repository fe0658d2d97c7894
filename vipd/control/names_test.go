package control

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	verbs := []string{"status", "events", "move", "release", "run", "key"}
	tokens := []string{"vip:front", "vip:back", "vip:backup"}
	tests := []struct {
		word  string
		known []string
		want  string
	}{
		{"statsu", verbs, "status"},   // two letters changed
		{"stats", verbs, "status"},    // one left out
		{"statuses", verbs, "status"}, // two added
		{"Move", verbs, "move"},
		{"sttaus", verbs, "status"},
		{"evnets", verbs, "events"},
		{"releases", verbs, "release"},
		{"relasex", verbs, "release"},
		{"stop", verbs, ""},    // three edits from status at least
		{"statxxx", verbs, ""}, // three
		{"runabc", verbs, ""},
		{"xyz", verbs, ""},
		{"xy", []string{"go"}, ""}, // as many edits as letters are no likeness
		{"back", tokens, "vip:back"},
		{"vip:bakc", tokens, "vip:back"},
		{"vip:bakcup", tokens, "vip:backup"},
		{"", verbs, ""},
		{"move", nil, ""},
		{strings.Repeat("x", 1<<20), verbs, ""},
	}
	for _, tt := range tests {
		if got := Nearest(tt.word, tt.known); got != tt.want {
			t.Errorf("%.20q: %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"ab", "abc", 1},
		{"kitten", "sitting", 3}, {"sunday", "saturday", 3}, {"abc", "cab", 2}, {"abcdef", "bcdefg", 2},
	} {
		if got := edits(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
