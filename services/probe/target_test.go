package probe

import (
	"strings"
	"testing"
	"time"
)

var targets = []struct{ text, refused string }{
	{"tcp://127.0.0.1:5432", ""},
	{"tcp://[::1]:5432", ""},
	{"tcp://[fe80::1%eth0]:5432", ""},
	{"tcp://localhost:1", ""},
	{"http://127.0.0.1:8080/health", ""},
	{"http://localhost", ""},
	{"https://[2001:db8::1]/x?y=z insecure", ""},
	{`http://10.0.0.1/ expect=200 body="ok then" `, ""},
	{`http://10.0.0.1/   body=ok   expect=200-204`, ""},
	{`http://10.0.0.1/ body="say \"x\""`, ""},
	{"exec:/usr/lib/check -x 'a b'", ""},
	{"unit:historian.service", ""},
	{`unit:a@b\x2dc.service`, ""},

	{"", "want one of tcp://"},
	{"udp://127.0.0.1:1", "want one of tcp://"},
	{"tcp:127.0.0.1:5432", "want tcp://host:port"},
	{"tcp://127.0.0.1", "want tcp://host:port"},
	{"tcp://127.0.0.1:0", "want 1 to 65535"},
	{"tcp://127.0.0.1:65536", "want 1 to 65535"},
	{"tcp://127.0.0.1:http", "want 1 to 65535"},
	{"tcp://:80", "no host given"},
	{"tcp://db.example:5432", "db.example is a name: give an address or localhost"},
	{"http://db.example/", "db.example is a name"},
	{"http://1.2.3/", "1.2.3 is a name"},
	{"http:///x", "no host given"},
	{"http:127.0.0.1", "no host given"},
	{"http://127.0.0.1:99999/", "want 1 to 65535"},
	{"http://a:b@127.0.0.1/", "user or password"},
	{"http://127.0.0.1/\x01", "invalid control character"},
	{"http://127.0.0.1/ insecure", "no certificate without https"},
	{"https://127.0.0.1/ insecure=yes", "insecure has no value"},
	{"http://127.0.0.1/ expect=", "want a status"},
	{"http://127.0.0.1/ expect=20", "want a status"},
	{"http://127.0.0.1/ expect=600", "want a status"},
	{"http://127.0.0.1/ expect=299-200", "want a status"},
	{"http://127.0.0.1/ expect=200-", "want a status"},
	{"http://127.0.0.1/ body=", "no text given"},
	{`http://127.0.0.1/ body=""`, "no text given"},
	{`http://127.0.0.1/ body="ok`, "quotes don't match"},
	{`http://127.0.0.1/ body="ok"x`, "quotes don't match"},
	{"http://127.0.0.1/ status=200", "want expect=, body= or insecure"},
	{"exec:", "want exec:/path"},
	{"exec:check", "want exec:/path"},
	{"unit:", "want unit:name.service"},
	{"unit:historian", "want unit:name.service"},
	{"unit:../x.service", "want unit:name.service"},
}

func TestParse(t *testing.T) {
	for _, c := range targets {
		got, err := Parse(c.text)
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%q: %v", c.text, err)
		case c.refused == "" && got.String() != c.text:
			t.Errorf("%q became %q", c.text, got)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%q: %v, want %q", c.text, err, c.refused)
		}
	}
}

// Whatever is parsed can be opened, and parses again to the same.
func FuzzParse(f *testing.F) {
	for _, c := range targets {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, err := Parse(text)
		if err != nil {
			return
		}
		if _, err := New(target, Options{Interval: time.Second, Timeout: time.Second}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if again, err := Parse(target.String()); err != nil || again.String() != text {
			t.Errorf("%q parses once: %v", text, err)
		}
	})
}

func TestOptions(t *testing.T) {
	target, err := Parse("tcp://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		interval, timeout time.Duration
		refused           string
	}{
		{10 * time.Millisecond, 100 * time.Millisecond, ""},
		{time.Hour, 60 * time.Second, ""},
		{9 * time.Millisecond, 10 * time.Millisecond, "interval 9ms"},
		{time.Hour + 1, time.Second, "interval"},
		{0, time.Second, "interval 0s"},
		{time.Second, 0, "timeout 0s"},
		{time.Hour, 61 * time.Second, "timeout 1m1s: want 1ms to 1m0s"},
		{10 * time.Millisecond, 101 * time.Millisecond, "at most 10 intervals of 10ms"},
	} {
		_, err := New(target, Options{Interval: c.interval, Timeout: c.timeout})
		if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%v, %v: %v, want %q", c.interval, c.timeout, err, c.refused)
		}
	}
}

func TestLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"plain", "plain"},
		{"two\nlines\x1b[1m", "two lines [1m"},
		{"bad \xff octet", "bad ? octet"},
		{strings.Repeat("ä", 200), strings.Repeat("ä", 78) + "..."},
	} {
		if got := line(c.text); got != c.want || len(got) > textLimit {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}
