package faults

import (
	"slices"
	"syscall"
	"time"

	"vipd/lease"
	"vipd/testlab/rig"
)

// How long two kernels may answer after a daemon that held was killed or frozen, by
// what enforced its lease. BPF looks at the clock for each packet: not at all.
const (
	// nftLate is a jiffy, 10 ms at the most, a transaction, and the witness's round.
	nftLate = 20 * time.Millisecond
	// lifetimeLate is the address's lifetime, and what the kernel may be late.
	lifetimeLate = 4 * time.Second
)

// overlap is for how long another kernel may answer beside this node's once its
// daemon renews no more. The daemon must be able to say.
func (n *node) overlap() time.Duration {
	n.site.t.Helper()
	switch n.status().LeaseLayer {
	case string(lease.BPF):
		return 0
	case string(lease.Nftables):
		return nftLate
	}
	return lifetimeLate
}

// lapse sends the daemon of hist-a, which holds, a signal after which it renews no
// more, and waits until hist-b took. It returns when that began, and for how long two
// may answer.
func (s *site) lapse(sig syscall.Signal) (from time.Time, most time.Duration) {
	s.t.Helper()
	most, from = s.a.overlap(), time.Now()
	s.a.signal(sig)
	s.eventually("the other took", func() bool { return s.b.token(front).Holder == "hist-b" })
	return from, most
}

// silenced waits until the host's kernel answers for the address no more, whether it
// still has it or not, and returns since when.
func (n *node) silenced() (since time.Time) {
	n.site.t.Helper()
	answered := func(span rig.Span) bool { return slices.Contains(span.Owners, n.name) }
	n.site.eventually("the kernel of "+n.name+" is silent", func() bool {
		now := time.Now()
		since = now.Add(-round)
		spans := n.site.witness.Holders(since, now)
		return len(spans) > 0 && !slices.ContainsFunc(spans, answered)
	})
	return since
}

// staysMoved waits until hist-b alone has the address and answers, and fails if hist-a
// was heard of since.
func (s *site) staysMoved(since time.Time) {
	s.t.Helper()
	s.audit(s.b)
	s.answers(s.b)
	s.silent(s.a, since)
}

// hardlyMissed fails if clients went without an answer for long since.
func (s *site) hardlyMissed(since time.Time) {
	s.t.Helper()
	r := s.probe.Report(since, time.Now())
	if r.Datagrams.Outage > r.Stall+time.Second {
		s.t.Errorf("no answer for %v (the probe itself stood still for %v), %d of %d lost",
			r.Datagrams.Outage, r.Stall, r.Datagrams.Lost, r.Datagrams.Asked)
	}
}
