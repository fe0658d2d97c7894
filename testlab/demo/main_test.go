package main

import "testing"

// A wrong command line ends with 2 before anything is built.
func TestWrongUse(t *testing.T) {
	for _, arguments := range [][]string{{"--scenario", "krash"}, {"--scenario", "move,krash"}, {"--kep"}, {"move"}, {"--scenario"}} {
		if code := execute(arguments); code != 2 {
			t.Errorf("%q: exit code %d, want 2", arguments, code)
		}
	}
	for _, arguments := range [][]string{{"--scenario", "list"}, {"--help"}} {
		if code := execute(arguments); code != 0 {
			t.Errorf("%q: exit code %d, want 0", arguments, code)
		}
	}
}
