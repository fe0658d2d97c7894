package pgm

import (
	"strings"
	"testing"

	"vipd/pgm/packet"
)

// TestAnswersAreJudged: a late NCF is forgiven when the machine kept the source
// from running just then, for as long as it is late, and never else.
func TestAnswersAreJudged(t *testing.T) {
	wire := func(ncf float64) []seen {
		p := []seen{{at: 100, kind: packet.NAK, seq: 5}, {at: 100.02, kind: packet.RDATA, seq: 5}, {at: 101, kind: packet.SPM}}
		if ncf > 0 {
			p = append(p[:2], seen{at: 100 + ncf, kind: packet.NCF, seq: 5}, p[2])
		}
		return p
	}
	look := func(at, a, b, canary float64) waited {
		return waited{at: at, threads: map[string]float64{"a": a, "b": b}, canary: canary}
	}
	for _, c := range []struct {
		name string
		wire []seen
		all  []waited
		want string // part of the error
	}{
		{"in time", wire(0.049), []waited{look(99, 0, 0, 0), look(102, 0, 0, 0)}, ""},
		{"late", wire(0.066), []waited{look(99, 0, 0, 0), look(102, 0, 0, 0)}, "after 66.0 ms, for 0.0"},
		{"a thread was kept waiting", wire(0.066), []waited{look(99.99, 1, 7, 0), look(100.07, 1, 7.02, 0)}, ""},
		{"too short", wire(0.066), []waited{look(99.99, 1, 7, 0), look(100.07, 1.01, 7.01, 0)}, "for 10.0"},
		{"before", wire(0.066), []waited{look(99, 0, 0, 0), look(99.99, 0, 0.1, 0.1), look(100.07, 0, 0.1, 0)}, "for 0.0"},
		{"after", wire(0.066), []waited{look(99, 0, 0, 0), look(100.07, 0, 0, 0), look(101, 0, 1, 1)}, "for 0.0"},
		{"the machine stood still", wire(0.066), []waited{look(99.99, 0, 0, 0), look(100.05, 0, 0, 0.04), look(100.07, 0, 0, 0)}, ""},
		{"never", wire(0), []waited{look(99, 0, 0, 0), look(102, 9, 9, 9)}, "NCF false"},
	} {
		_, own, err := checkAnswers(c.wire, &waits{all: c.all})
		switch {
		case err == nil && (c.want != "" || own > 0.050):
			t.Errorf("%s: taken, own %.3f s", c.name, own)
		case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
