package multicast

import (
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// begins lets datagrams through that begin with the octet.
func begins(t *testing.T, octet byte) []bpf.RawInstruction {
	t.Helper()
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 8, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(octet), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	})
	must(t, err)
	return program
}

// What the filter refuses is not queued, from the first datagram on; it is counted,
// and the filter can be changed and taken away.
func TestFilter(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		o := f.path(b)
		o.Filter = begins(t, 'x')
		ca, cb := a.open(f.path(a)), b.open(o)
		send := func(texts ...string) {
			t.Helper()
			for _, text := range texts {
				must(t, ca.Send([]byte(text), f.at(b)))
				must(t, ca.SendGroup([]byte(text)))
			}
		}
		both := func(text string) {
			t.Helper()
			expect(t, cb.Unicast(), text, f.at(a))
			expect(t, cb.Group(), text, f.at(a))
		}
		send("", "y1", "x1")
		both("x1")
		must(t, cb.SetFilter(begins(t, 'y')))
		send("x2", "y2")
		both("y2")
		for _, s := range []*Socket{cb.Unicast(), cb.Group()} {
			if n, err := s.Dropped(); n != 3 || err != nil {
				t.Errorf("%s: %d dropped, %v, want 3", s.Local(), n, err)
			}
		}
		must(t, cb.SetFilter(nil))
		must(t, cb.SetFilter(nil)) // there is none
		send("z3")
		both("z3")
	})
}

// A filter that the kernel refuses is an error, and so is one for a closed socket.
func TestFilterRefused(t *testing.T) {
	o := Options{Local: netip.MustParseAddr("127.0.0.1"), Filter: []bpf.RawInstruction{{Op: 0xffff}}}
	if _, err := Open(o); err == nil {
		t.Error("a program that is none was attached")
	}
	o.Filter = nil
	c, err := Open(o)
	must(t, err)
	if err := c.SetFilter([]bpf.RawInstruction{{Op: 0xffff}}); err == nil {
		t.Error("a program that is none was attached")
	}
	must(t, c.Close())
	if err := c.SetFilter(begins(t, 'x')); err == nil {
		t.Error("a closed socket has a filter")
	}
	if _, err := c.Unicast().Dropped(); err == nil {
		t.Error("a closed socket counts")
	}
}
