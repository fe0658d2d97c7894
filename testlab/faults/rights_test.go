package faults

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/testlab/program"
	"vipd/testlab/rig"
)

// losing is a daemon that loses the right to change addresses, and gets it back.
const losing = "vipd/testlab/faults/losing"

// runLosing starts such a daemon, which has the capabilities but for those of that option.
func (n *node) runLosing(but ...string) {
	n.site.t.Helper()
	exe, err := program.Path(losing)
	if err != nil {
		n.site.t.Fatal(err)
	}
	proc, err := n.host.Start(rig.Process{Path: exe, Stdout: n.log, Stderr: n.log,
		Args: append(but, "-config", n.config, "-node", n.name, "-run-dir", runDir, "-state-dir", n.state)})
	if err != nil {
		n.site.t.Fatal(err)
	}
	n.proc = proc
}

// A holder that loses the right to change addresses is silent before another node serves,
// under BPF and nftables; both say why; with the right back it serves again.
func TestRightLostWhileHolding(t *testing.T) {
	t.Parallel()
	for name, but := range map[string][]string{"BPF": nil, "nftables": {"-without-bpf"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, pair4)
			s.a.runLosing(but...)
			s.b.run()
			s.answers(s.a)
			for range 2 {
				s.a.signal(syscall.SIGUSR1)
				lost := time.Now()
				s.answers(s.b)
				if dual := s.witness.Dual(lost, time.Now()); dual > 0 {
					t.Errorf("two hosts answered for %v", dual)
				}
				s.eventually("both say so", func() bool {
					return strings.Contains(s.a.alarms(), "this host can hold no address: CAP_NET_ADMIN is missing") &&
						strings.Contains(s.a.alarms(), "hist-a can't put up vip:front") && strings.Contains(s.b.alarms(), "hist-a can't put up vip:front")
				})
				s.a.signal(syscall.SIGWINCH)
				s.answers(s.a)
				s.audit(s.a)
				s.eventually("the alarms are over", func() bool { return s.a.alarms() == "" && s.b.alarms() == "" })
			}
			s.oneAnswered(s.began)
		})
	}
}

// A standby that loses the right, preferred or not, takes nothing.
func TestRightLostOnAStandby(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.a.runLosing()
	s.b.run()
	s.answers(s.a)
	s.expectSuspended(s.a, true)
	s.answers(s.b)
	s.a.signal(syscall.SIGUSR1)
	s.eventually("it knows", func() bool { return strings.Contains(s.a.alarms(), "this host can hold no address") })
	s.expectSuspended(s.a, false)
	resumed := time.Now()
	s.answers(s.b)
	if n := s.a.said("taking"); n != 1 { // the first
		t.Errorf("it took %d times", n)
	}
	s.silent(s.a, resumed)
	s.a.signal(syscall.SIGWINCH)
	s.answers(s.a)
	s.oneAnswered(s.began)
}

// expectSuspended suspends the node, or has it take part again.
func (s *site) expectSuspended(n *node, on bool) {
	s.t.Helper()
	if on {
		n.expect(0, "is suspended", "suspend", n.name)
	} else {
		n.expect(0, "takes part again", "resume", n.name)
	}
}
