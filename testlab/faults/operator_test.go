package faults

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/vipd/control"
)

// expect runs a verb and checks its exit code and what it says.
func (n *node) expect(code int, words string, args ...string) {
	n.site.t.Helper()
	out, got := n.verb(args...)
	if got != code || !strings.Contains(out, words) {
		n.site.t.Errorf("%s: vipd %s: exit %d, want %d: %s, want %q in it", n.name, strings.Join(args, " "), got, code, out, words)
	}
}

// An operator's working day, from either node.
func TestOperator(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"hist-a", "hist-b"} {
		t.Run("from "+at, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, pair4)
			s.start()
			n := s.a
			if at == "hist-b" {
				n = s.b
			}
			n.expect(0, "would move from hist-a to hist-b; expected outage", "move", front, "--to", "hist-b", "--dry-run")
			s.audit(s.a)
			n.expect(0, "moved from hist-a to hist-b in", "move", front, "--to", "hist-b")
			s.answers(s.b)
			n.expect(0, "is at hist-b already", "move", front, "--to", "hist-b")
			n.expect(0, "moved from hist-b to hist-a in", "release", front)
			s.answers(s.a)
			n.expect(0, "follows policy already", "release", front)
			n.expect(0, "moved from hist-a to hist-b in", "suspend", "hist-a")
			s.answers(s.b)
			n.expect(control.CodeUnsafe, "--force", "suspend", "hist-b")
			n.expect(control.CodeFailed, "not fit", "move", front, "--to", "hist-a")
			s.audit(s.b)
			n.expect(0, "takes part again", "resume", "hist-a")
			s.answers(s.a)
			s.audit(s.a)
			s.oneAnswered(s.began)
		})
	}
}

// A suspension outlives the daemon, and a reboot.
func TestSuspensionLasts(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	s.a.expect(0, "suspended", "suspend")
	s.answers(s.b)
	s.a.host.Destroy()
	s.a.power()
	s.a.run()
	s.eventually("it is back, and out", func() bool {
		st, err := s.b.control().Status(t.Context())
		return err == nil && st.Nodes[1].State == control.NodeSuspended
	})
	time.Sleep(500 * time.Millisecond)
	s.audit(s.b)
	s.oneAnswered(s.began)
}

// SIGHUP with a good file changes what changed; with a bad one, nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	from := time.Now()
	for _, bad := range []struct{ text, want string }{
		{pair4 + "prioritees = 1\n", "hist-a.toml:14:1: vip.front.prioritees: unknown key; did you mean \"priorities\"?"},
		{strings.Replace(pair4, `cluster = "t"`, `cluster = "u"`, 1), "cluster: a change takes effect at"},
	} {
		s.a.configure(bad.text)
		s.a.signal(syscall.SIGHUP)
		s.eventually("an alarm says "+bad.want, func() bool { return strings.Contains(s.a.alarms(), bad.want) })
	}
	more := pair4 + "[vip.more]\naddress = \"192.0.2.30/24\"\n"
	for _, n := range []*node{s.a, s.b} {
		n.configure(more)
		n.signal(syscall.SIGHUP)
	}
	s.audit(s.a, "192.0.2.10", "192.0.2.30")
	s.silent(s.b, from)
	s.oneAnswered(s.began)
	// Between the two reloads the nodes know the address by two names, and each may
	// hold one: how many answer meanwhile is not promised, only how it ends.
	for _, n := range []*node{s.a, s.b} {
		n.configure(strings.Replace(pair4, "[vip.front]", "[vip.more]", 1)) // the address stays, the name goes
		n.signal(syscall.SIGHUP)
	}
	s.audit(s.a)
	s.answers(s.a)
	if text := s.a.alarms(); text != "" {
		t.Errorf("alarms: %s", text)
	}
}
