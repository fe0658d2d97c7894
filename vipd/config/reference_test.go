package config

import (
	"regexp"
	"strings"
	"testing"
)

const reference = "../../packaging/vipd.toml"

// TestReference: the file that is shipped is valid and without doubt.
func TestReference(t *testing.T) {
	s, err := Load(reference)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Warnings) > 0 {
		t.Errorf("warnings %v", s.Warnings)
	}
}

// TestReferenceDefaults: each default that the file shows behind a # is the one that holds without it.
func TestReferenceDefaults(t *testing.T) {
	text, err := read(reference)
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, string(text)).Digest()
	shown := regexp.MustCompile(`(?m)^# ([a-z_]+) *= .*$`)
	tried := 0
	for _, at := range shown.FindAllStringSubmatchIndex(string(text), -1) {
		key := string(text[at[2]:at[3]])
		if key == "addresses" || key == "interface" || strings.Contains(string(text[at[0]:at[1]]), `= "vipd"`) {
			continue // shown as examples: they have no default, or another on each host
		}
		tried++
		set := string(text[:at[0]]) + strings.TrimPrefix(string(text[at[0]:]), "# ")
		if key == "id" {
			set = shown.ReplaceAllStringFunc(string(text), func(line string) string {
				if strings.HasPrefix(line, "# id ") {
					return strings.TrimPrefix(line, "# ")
				}
				return line
			})
		}
		if got := parse(t, set).Digest(); got != want {
			t.Errorf("%s: the file does not show the default", key)
		}
	}
	if tried != 43 {
		t.Errorf("tried %d defaults, want 43", tried)
	}
}

// TestReferenceShowsAll: a group of the file shows each key that a group may have, in force or behind a #.
func TestReferenceShowsAll(t *testing.T) {
	text, err := read(reference)
	if err != nil {
		t.Fatal(err)
	}
	_, groups, _ := strings.Cut(string(text), "[group.dataserver]")
	groups, _, _ = strings.Cut(groups, "\n[heartbeat]")
	for _, key := range groupKeys {
		if !regexp.MustCompile(`(?m)^(# )?` + key + ` *= `).MatchString(groups) {
			t.Errorf("the file does not show group.X.%s", key)
		}
	}
}
