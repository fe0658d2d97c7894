package config

import (
	"strings"
	"time"
)

// duration reads a time with its unit, within bounds, into a variable and tells whether it did.
func (t table) duration(key, example string, low, high time.Duration, into *time.Duration) bool {
	switch v := t.values[key].(type) {
	case nil:
	case int64, float64:
		t.wrong(key, "%v has no unit; expected a duration such as %q", v, example)
	case string:
		return t.span(key, example, v, low, high, into)
	default:
		t.wrong(key, "expected a duration such as %q, not %s", example, kind(v))
	}
	return false
}

func (t table) span(key, example, s string, low, high time.Duration, into *time.Duration) bool {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && s != "" && strings.Trim(s, "0123456789.") == "":
		t.wrong(key, "%q has no unit; expected a duration such as %q", s, example)
	case err != nil:
		t.wrong(key, "%q is no duration; expected one such as %q, with ms, s, m or h", s, example)
	case d < low || d > high:
		t.wrong(key, "%s is outside %s..%s", s, short(low), short(high))
	default:
		*into = d
		return true
	}
	return false
}

// short writes a duration without the zero units of Duration.String: 10m, not 10m0s.
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
