package testlab

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/services"
	"vipd/token"
	"vipd/vipd/control"
)

// quoted matches the parts of a page that are in code type.
var quoted = regexp.MustCompile("`([^`]+)`")

// TestGlossary checks that docs/glossary.md names every field of the status, every column of
// its tables and every word of the closed lists that the status and the log show.
func TestGlossary(t *testing.T) {
	page, err := os.ReadFile("../docs/glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range quoted.FindAllStringSubmatch(string(page), -1) {
		named[m[1]] = true
	}
	for _, term := range slices.Concat(fields(reflect.TypeFor[control.Status]()), columns(t), closedLists()) {
		if !named[term] {
			t.Errorf("docs/glossary.md does not name %q", term)
		}
	}
}

// fields returns the JSON names of a type and of the types in it.
func fields(of reflect.Type) (list []string) {
	switch of.Kind() {
	case reflect.Slice, reflect.Pointer, reflect.Array, reflect.Map:
		return fields(of.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		list = append(list, name)
		list = append(list, fields(of.Field(i).Type)...)
	}
	return list
}

// columns returns the heads of the tables that the command line prints.
func columns(t *testing.T) (list []string) {
	head, word := regexp.MustCompile(`words\(("[A-Z][^)]*)\)`), regexp.MustCompile(`"([A-Z ]+)"`)
	files, err := filepath.Glob("../vipd/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range head.FindAllStringSubmatch(string(source), -1) {
			for _, w := range word.FindAllStringSubmatch(m[1], -1) {
				list = append(list, w[1])
			}
		}
	}
	if len(list) < 10 {
		t.Fatalf("found the columns %q only", list)
	}
	return list
}

// closedLists returns the words of every state, reason and cause.
func closedLists() (list []string) {
	for c := token.PeerSilent; c <= token.UnitFailed; c++ {
		list = append(list, c.String())
	}
	for p := token.Idle; p <= token.Dropping; p++ {
		list = append(list, p.String())
	}
	for s := token.Fresh; s <= token.SilentBothWays; s++ {
		list = append(list, s.String())
	}
	for s := heartbeat.Starting; s <= heartbeat.Restarting; s++ {
		list = append(list, s.String())
	}
	for v := clock.CannotTell; v <= clock.Beyond; v++ {
		list = append(list, v.String())
	}
	for s := services.Idle; s <= services.Broken; s++ {
		list = append(list, s.String())
	}
	new(heartbeat.Drops).Each(func(r heartbeat.DropReason, _ uint64) { list = append(list, r.String()) })
	return append(list, (^token.Reason(0)).Words()...)
}
