package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
		if !slices.Contains(known, name) {
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
	at := t.at.find(key)
	t.refuse(at.value, dotted(t.at.path, key), fmt.Sprintf(format, args...), "")
}

// wrongName refuses the value of key, which may be a slip of hint.
func (t table) wrongName(key, reason, hint string) {
	t.refuse(t.at.find(key).value, dotted(t.at.path, key), reason, hint)
}

// wrongItem refuses one element of the array at key.
func (t table) wrongItem(key string, i int, format string, args ...any) {
	at := t.at.find(key)
	t.refuse(at.item(i), dotted(t.at.path, key), fmt.Sprintf(format, args...), "")
}

// sub is the table at key. An absent one is empty and false.
func (t table) sub(key, expected string) (table, bool) {
	v, given := t.values[key]
	values, ok := v.(map[string]any)
	if given && !ok {
		t.wrong(key, "expected %s, not %s", expected, kind(v))
	}
	return table{t.reader, t.at.find(key), values}, ok
}

// under is the table at key, which is known to be one.
func (t table) under(key string) table {
	values, _ := t.values[key].(map[string]any)
	return table{t.reader, t.at.find(key), values}
}

// names lists the keys by name, so that two runs say the same.
func (t table) names() []string { return slices.Sorted(maps.Keys(t.values)) }

// text reads a string. It reports whether into was set, as the other readers do.
func (t table) text(key, example string, into *string) bool {
	v, given := t.values[key]
	if !given {
		return false
	}
	s, ok := v.(string)
	switch {
	case !ok:
		t.wrong(key, "expected a string such as %q, not %s", example, kind(v))
	case s == "":
		t.wrong(key, "empty; expected a string such as %q", example)
		return false
	default:
		*into = s
	}
	return ok
}

// number reads an integer within bounds.
func (t table) number(key string, low, high int, into *int) bool {
	v, given := t.values[key]
	if !given {
		return false
	}
	n, ok := v.(int64)
	switch {
	case !ok:
		t.wrong(key, "expected an integer from %d to %d, not %s", low, high, kind(v))
	case n < int64(low) || n > int64(high):
		t.wrong(key, "%d is outside %d..%d", n, low, high)
		return false
	default:
		*into = int(n)
	}
	return ok
}

// flag reads true or false.
func (t table) flag(key string, into *bool) {
	v, given := t.values[key]
	if !given {
		return
	}
	b, ok := v.(bool)
	if !ok {
		t.wrong(key, "expected true or false, not %s", kind(v))
		return
	}
	*into = b
}

// duration reads a time with its unit, within bounds.
func (t table) duration(key, example string, low, high time.Duration, into *time.Duration) bool {
	v, given := t.values[key]
	if !given {
		return false
	}
	switch v := v.(type) {
	case string:
		return t.parseDuration(key, example, v, low, high, into)
	case int64, float64:
		t.wrong(key, "%v has no unit; expected a duration such as %q", v, example)
	default:
		t.wrong(key, "expected a duration such as %q, not %s", example, kind(v))
	}
	return false
}

func (t table) parseDuration(key, example, s string, low, high time.Duration, into *time.Duration) bool {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && s != "" && strings.Trim(s, "0123456789.") == "":
		t.wrong(key, "%q has no unit; expected a duration such as %q", s, example)
	case err != nil:
		t.wrong(key, "%q is no duration; expected one such as %q (units ms, s, m, h)", s, example)
	case d < low || d > high:
		t.wrong(key, "%s is outside %s..%s", s, short(low), short(high))
	default:
		*into = d
		return true
	}
	return false
}

// list reads an array of strings with at most limit elements. An element that is none is refused and left empty, so
// that the others keep their index.
func (t table) list(key, expected string, limit int) []string {
	v, given := t.values[key]
	if !given {
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		t.wrong(key, "expected %s, not %s", expected, kind(v))
		return nil
	}
	if len(items) > limit {
		t.wrongItem(key, limit, "%d are too many; at most %d", len(items), limit)
		items = items[:limit]
	}
	texts := make([]string, len(items))
	for i, item := range items {
		s, ok := item.(string)
		if !ok {
			t.wrongItem(key, i, "expected %s, not one with %s", expected, kind(item))
		} else if s == "" {
			t.wrongItem(key, i, "empty; expected %s", expected)
		}
		texts[i] = s
	}
	return texts
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

// short writes a bound without the zero units of Duration.String: 10m, not 10m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// emptyList tells whether the key is given as an array without elements.
func (t table) emptyList(key string) bool {
	items, ok := t.values[key].([]any)
	return ok && len(items) == 0
}
