package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// What surrounds the text of a case in testdata/bad.txt.
const (
	badHead  = "cluster = \"plant1\"\nkey_file = \"/etc/vipd/key\"\n"
	badNodes = "[node.a]\naddresses = [\"192.0.2.11\"]\n[node.b]\naddresses = [\"192.0.2.12\"]\n"
	badVIP   = "[vip.v]\naddress = \"192.0.2.10/24\"\n"
)

type badCase struct {
	name, text, want string
}

// badCases reads testdata/bad.txt.
func badCases(t testing.TB) []badCase {
	t.Helper()
	file, err := os.ReadFile("testdata/bad.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []badCase
	for _, one := range strings.Split(string(file), "\n==")[1:] {
		name, rest, _ := strings.Cut(one, "\n")
		text, want, ok := strings.Cut("\n"+rest+"\n", "\n--\n")
		if !ok {
			t.Fatalf("case %s has no --", name)
		}
		text = strings.TrimPrefix(text+"\n", "\n")
		if after, whole := strings.CutPrefix(name, "!"); whole {
			name = after
		} else {
			text = surround(text)
		}
		cases = append(cases, badCase{strings.TrimSpace(name), text, strings.TrimSpace(want)})
	}
	return cases
}

func surround(text string) string {
	whole := badHead + text
	if !strings.Contains(text, "[node") {
		whole += badNodes
	}
	if !strings.Contains(text, "[vip") {
		whole += badVIP
	}
	return whole
}

// TestBadFiles holds every message to the letter: what is refused, where, and what else was probably meant.
func TestBadFiles(t *testing.T) {
	cases := badCases(t)
	if len(cases) < 140 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("vipd.toml", []byte(c.text))
			var problems Errors
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want Errors", err)
			}
			if got := problems.Error(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s\nin\n%s", got, c.want, numbered(c.text))
			}
		})
	}
}

func numbered(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		b.WriteString(strings.Repeat(" ", 3) + string(rune('0'+(i+1)/10%10)) + string(rune('0'+(i+1)%10)) + " " + line + "\n")
	}
	return b.String()
}
