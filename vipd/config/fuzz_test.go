package config

import (
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// seeds are the reference file, the bad ones, and corners of the syntax.
func seeds(f *testing.F) {
	f.Helper()
	text, err := os.ReadFile(reference)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(small)
	for _, c := range badCases(f) {
		f.Add(c.text)
	}
	for _, corner := range []string{
		"a.b.c = 1\na.d = 2\n[a.e]\n[e.f]\n[e]\ng = 3",
		"\"a.b\".'c d'.\"\\u00e9\\n\\e\\x41\" = \"\\\"\"",
		"a = \"\"\"\nx\\\n  y\"\"\"\"\"\nb = '''x'y''''\nc = ''\nd = \"\"",
		"a = [ # one\n 1, [2, {x = [3]}], # }]\n]\nb = {c.d = 1, e = {}, }",
		"[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 1\n[[a.e]]",
		"a = 1979-05-27 07:32:00Z # date\nb = -0x1\nc = +inf\nd = 1e3\r\n",
		"[ a . \"b\" ] # c\n c\t=\ttrue",
		"[a.b.c]\n[a]\nb = 1",
	} {
		f.Add(corner)
	}
}

// FuzzParse: whatever the text, there is an answer, and twice the same one. What is wrong has a place in the text and
// stays wrong in the order of the places; what is right survives another style of line ends.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("f", []byte(text))
		again, errAgain := Parse("f", []byte(text))
		if !reflect.DeepEqual(s, again) || !reflect.DeepEqual(err, errAgain) {
			t.Fatalf("two answers:\n%+v %v\n%+v %v", s, err, again, errAgain)
		}
		if err == nil {
			windows := strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
			other, err := Parse("f", []byte(windows))
			if err != nil || other.Heartbeat != s.Heartbeat || len(other.VIPs) != len(s.VIPs) {
				t.Fatalf("with CR LF: %+v %v", other, err)
			}
			return
		}
		lines := strings.Split(text, "\n")
		var before Problem
		for _, p := range err.(Errors) {
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > len(lines[p.Line-1])+1 {
				t.Errorf("%s is outside the text", p)
			}
			if p.Line < before.Line || p == before {
				t.Errorf("%s comes after %s", p, before)
			}
			before = p
		}
	})
}

// FuzzScan: the scanner follows whatever the library takes, and finds the same keys at places that hold them.
func FuzzScan(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		if _, reason := newSource("f", text).unreadable(); reason != "" || strings.HasPrefix(text, "\uFEFF") {
			t.Skip()
		}
		found := scan(text)
		if found.failed != nil && found.failed.reason == tooDeep {
			t.Skip() // the library recurses without a bound
		}
		values := map[string]any{}
		_, err := toml.Decode(text, &values)
		if syntax := (toml.ParseError{}); err != nil && !errors.As(err, &syntax) {
			t.Fatalf("an error without a position: %v", err)
		}
		switch {
		case err != nil || len(found.again) > 0:
			return
		case found.failed != nil:
			t.Fatalf("the scanner stops at %d: %s", found.failed.offset, found.failed.reason)
		}
		agree(t, text, found.root, values)
	})
}

// agree compares one table of the library with its place.
func agree(t *testing.T, text string, at *place, values map[string]any) {
	if got, want := slices.Sorted(maps.Keys(at.children)), slices.Sorted(maps.Keys(values)); !slices.Equal(got, want) {
		t.Fatalf("keys of %q are %q, want %q", at.path, got, want)
	}
	for name, v := range values {
		child := at.children[name]
		switch v := v.(type) {
		case map[string]any:
			agree(t, text, child, v)
		case []any:
			if len(child.items) != len(v) || text[child.value] != '[' {
				t.Errorf("%s has %d places for %d elements", child.path, len(child.items), len(v))
			}
		case bool:
			if c := text[child.value]; v && c != 't' || !v && c != 'f' {
				t.Errorf("%s is %t, but at its place stands %c", child.path, v, c)
			}
		case string:
			if c := text[child.value]; c != '"' && c != '\'' {
				t.Errorf("%s is %q, but at its place stands %c", child.path, v, c)
			}
		}
	}
}
