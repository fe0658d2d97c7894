package faults

import (
	"testing"
	"time"

	"github.com/google/nftables"
)

// On the holder, whose lease is nftables', another program flushes the ruleset every 50
// ms for some seconds. Nothing moves, the lease is back, and it silences the address when the
// daemon stops.
func TestRulesetFlushedWhileHolding(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.a.runLosing("-without-bpf")
	s.answers(s.a)
	s.b.run()
	s.eventually("they hear each other", func() bool {
		st, err := s.b.control().Status(t.Context())
		return err == nil && st.Nodes[0].State == "up"
	})
	if layer := s.a.status().LeaseLayer; layer != "nftables" {
		t.Skipf("the lease is %s", layer)
	}
	late := s.a.overlap()
	for range 60 {
		err := s.a.host.Do(func() error {
			c, err := nftables.New()
			if err != nil {
				return err
			}
			c.FlushRuleset()
			return c.Flush()
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.answers(s.a)
	if n := s.a.said("active") + s.b.said("taking"); n != 1 {
		t.Errorf("it moved: %d times taken", n)
	}
	s.eventually("the table is back", func() bool {
		there := false
		s.a.host.Do(func() error {
			c, err := nftables.New()
			if err != nil {
				return err
			}
			tables, err := c.ListTablesOfFamily(nftables.TableFamilyNetdev)
			there = len(tables) == 1
			return err
		})
		return there
	})
	s.silence(silencings[0], s.a, s.b, 0)
	s.notTwoFor(s.began, late)
}
