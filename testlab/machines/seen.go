package machines

import (
	"context"
	"time"
)

// Eventually waits until it is so.
func (l *Lab) Eventually(what string, is func() bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if !wait(ctx, is) {
		l.t.Fatalf("not within %v: %s", limit, what)
	}
}

// Answers waits until that machine alone answers clients.
func (l *Lab) Answers(name string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := l.Probe.Steady(ctx, name, steadily); err != nil {
		l.t.Fatal(err)
	}
}

// OneAnswered fails if two machines answered for the shared address since.
func (l *Lab) OneAnswered(since time.Time) {
	l.t.Helper()
	if dual := l.Witness.Dual(since, time.Now()); dual > 0 {
		l.t.Errorf("two machines answered for %v", dual)
	}
}

// OnlyAnswered fails if another machine than that one answered since.
func (l *Lab) OnlyAnswered(name string, since time.Time) {
	l.t.Helper()
	for _, span := range l.Witness.Holders(since, time.Now()) {
		for _, owner := range span.Owners {
			if owner != name {
				l.t.Errorf("%s answered %v after it must not", owner, span.From.Sub(since))
				return
			}
		}
	}
}

// lastWords shows what the machines wrote, and who answered when.
func (l *Lab) lastWords() {
	for _, m := range l.machines {
		l.t.Logf("console of %s:\n%s", m.name, m.console.String())
		m.cgroup.thaw()                                                     // of a machine without power there is none
		for _, of := range []string{"--lines=60", "--unit=" + daemonUnit} { // others may have the last word
			if out, err := m.Try("journalctl", "--no-pager", "--lines=60", of, "--output=short-monotonic"); err == nil {
				l.t.Logf("journal of %s, %s:\n%s", m.name, of, out)
			}
		}
	}
	if l.Witness == nil {
		return
	}
	for _, span := range l.Witness.Holders(l.Began, time.Now()) {
		l.t.Logf("%8.3f s for %6.3f s: %v", span.From.Sub(l.Began).Seconds(), span.To.Sub(span.From).Seconds(), span.Owners)
	}
}
