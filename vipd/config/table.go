package config

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// table is one table of the file: its values, and the places where they stand.
type table struct {
	*reader
	at     *place
	values map[string]any
}

// only refuses every key that is not among known.
func (t table) only(known ...string) {
	for name, at := range t.at.children {
		switch {
		case slices.Contains(known, name):
		case name == "cluster" || name == "key_file":
			t.refuse(at.key, at.path, "unknown key here; it belongs above the first [table]", "")
		default:
			t.refuse(at.key, at.path, "unknown key", nearest(name, known))
		}
	}
}

// has tells whether the key is given, rightly or not.
func (t table) has(key string) bool {
	_, ok := t.values[key]
	return ok
}

// need refuses the table when the key is not given.
func (t table) need(key, what string) {
	if !t.has(key) {
		t.refuse(t.at.key, dotted(t.at.path, key), "missing; "+what, "")
	}
}

// wrong refuses the value of key.
func (t table) wrong(key, format string, args ...any) {
	t.refuse(t.at.find(key).value, dotted(t.at.path, key), fmt.Sprintf(format, args...), "")
}

// wrongWord refuses the value of key, which was perhaps meant to be hint.
func (t table) wrongWord(key, reason, hint string) {
	t.refuse(t.at.find(key).value, dotted(t.at.path, key), reason, hint)
}

// wrongItem refuses one element of the array at key.
func (t table) wrongItem(key string, i int, format string, args ...any) {
	t.refuse(t.at.find(key).item(i), dotted(t.at.path, key), fmt.Sprintf(format, args...), "")
}

// names lists the keys by name.
func (t table) names() []string { return slices.Sorted(maps.Keys(t.values)) }

// value is what key holds, if that is a T; anything else is refused.
func value[T any](t table, key, expected string) (v T, ok bool) {
	given, is := t.values[key]
	if !is {
		return v, false
	}
	if v, ok = given.(T); !ok {
		t.wrong(key, "expected %s, not %s", expected, kind(given))
	}
	return v, ok
}

// sub is the table at key. An absent one is empty and false.
func (t table) sub(key, expected string) (table, bool) {
	values, ok := value[map[string]any](t, key, expected)
	return table{t.reader, t.at.find(key), values}, ok
}

// text reads a string into a variable, and tells whether it did, as do the readers below.
func (t table) text(key, example string, into *string) bool {
	s, ok := value[string](t, key, fmt.Sprintf("a string such as %q", example))
	switch {
	case !ok:
		return false
	case s == "":
		t.wrong(key, "empty; expected a string such as %q", example)
		return false
	}
	*into = s
	return true
}

// number reads an integer within bounds.
func (t table) number(key string, low, high int, into *int) bool {
	n, ok := value[int64](t, key, fmt.Sprintf("an integer from %d to %d", low, high))
	switch {
	case !ok:
		return false
	case n < int64(low) || n > int64(high):
		t.wrong(key, "%d is outside %d..%d", n, low, high)
		return false
	}
	*into = int(n)
	return true
}

// flag reads true or false.
func (t table) flag(key string, into *bool) {
	if b, ok := value[bool](t, key, "true or false"); ok {
		*into = b
	}
}

// list reads an array of strings with at most limit elements. An element that is none is refused and left empty, so
// that the others keep their index.
func (t table) list(key, what, example string, limit int) []string {
	items, ok := value[[]any](t, key, fmt.Sprintf("an array of %s such as %s", what, example))
	if !ok {
		return nil
	}
	if len(items) > limit {
		t.wrongItem(key, limit, "%d %s are too many; at most %d", len(items), what, limit)
		items = items[:limit]
	}
	texts := make([]string, len(items))
	for i, item := range items {
		s, ok := item.(string)
		switch {
		case !ok:
			t.wrongItem(key, i, "expected a string as in %s, not %s", example, kind(item))
		case s == "":
			t.wrongItem(key, i, "empty; expected a string as in %s", example)
		}
		texts[i] = s
	}
	return texts
}

// empty tells whether the key is given as an array without elements.
func (t table) empty(key string) bool {
	items, ok := t.values[key].([]any)
	return ok && len(items) == 0
}

// kind names the type of a value of the library in words.
func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64:
		return "an integer"
	case float64:
		return "a fraction"
	case time.Time:
		return "a date"
	case []any:
		return "an array"
	case []map[string]any:
		return "an array of tables"
	default:
		return "a table"
	}
}
