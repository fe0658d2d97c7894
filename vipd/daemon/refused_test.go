package daemon

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/seal"
)

func datagramFrom(at string) sender { return sender{addr: netip.MustParseAddrPort(at)} }

// frameFrom is a sender of frames, one of 65536.
func frameFrom(n int) sender {
	return sender{mac: [6]byte{2, 0, 0, 0, byte(n >> 8), byte(n)}, link: "eth0"}
}

// Whoever sends what can't be opened is named with what to change, once a minute.
func TestStrangersAreNamedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		from := datagramFrom("192.0.2.66:7000")
		named := func(what string) (n int) {
			synctest.Wait()
			for _, text := range p.a.texts() {
				if strings.Contains(text, "192.0.2.66") && strings.Contains(text, what) {
					n++
				}
			}
			return n
		}
		for _, c := range []struct {
			refusal seal.Refusal
			want    string
		}{
			{seal.ErrCluster, "`cluster`"}, {seal.ErrKey, "key_file"}, {seal.ErrVersion, "another wire version"}, {seal.ErrOldVersion, "wire version 1"}, {seal.ErrForged, "forging"},
		} {
			for range 1000 {
				p.a.onLoop(func() { p.a.d.refused(c.refusal, seal.Header{}, from) })
			}
			if n := named(c.want); n != 1 {
				t.Errorf("%v: named %d times, want once", c.refusal, n)
			}
			time.Sleep(sayAgain - time.Second)
			p.a.onLoop(func() { p.a.d.refused(c.refusal, seal.Header{}, from) })
			if n := named(c.want); n != 1 {
				t.Errorf("%v: named again before a minute was over", c.refusal)
			}
			time.Sleep(time.Second)
			p.a.onLoop(func() { p.a.d.refused(c.refusal, seal.Header{}, from) })
			if n := named(c.want); n != 2 {
				t.Errorf("%v: named %d times after a minute, want twice", c.refusal, n)
			}
		}
		for _, quiet := range []seal.Refusal{seal.ErrReplay, seal.ErrTooOld, seal.ErrRetired, seal.ErrOldStart, seal.ErrKind, seal.ErrShort} {
			p.a.onLoop(func() { p.a.d.refused(quiet, seal.Header{}, from) })
		}
		if n := named(""); n != 10 {
			t.Errorf("%d lines, want none of what happens by itself", n)
		}
	})
}

// However many strangers there are, what is remembered and said of them is bounded,
// for each reason; a node of the cluster is named nevertheless.
func TestStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		before := len(p.a.texts())
		flood := func(reason seal.Refusal) {
			for i := range 5000 {
				from := sender{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7000)}
				p.a.onLoop(func() { p.a.d.refused(reason, seal.Header{}, from) })
			}
			synctest.Wait()
		}
		flood(seal.ErrKey)
		if n := len(p.a.texts()) - before; n != namedMost || len(p.a.d.named) != namedMost {
			t.Errorf("named %d and remembers %d, want %d", n, len(p.a.d.named), namedMost)
		}
		flood(seal.ErrForged)
		if n := len(p.a.texts()) - before; n != 2*namedMost {
			t.Errorf("named %d for two reasons, want %d", n, 2*namedMost)
		}
		for range 3 {
			p.a.onLoop(func() { p.a.d.refused(seal.ErrKey, seal.Header{KeyID: 7}, datagramFrom("192.0.2.12:7000")) })
		}
		if text := p.a.texts()[len(p.a.texts())-1]; text != "hist-b (192.0.2.12) seals with another key (00000007); copy the same key_file to all nodes" {
			t.Errorf("last said %q", text)
		}
		time.Sleep(sayAgain)
		p.a.onLoop(func() { p.a.d.refused(seal.ErrKey, seal.Header{}, datagramFrom("10.9.9.9:1")) })
		if len(p.a.d.named) != namedMost+2 {
			t.Errorf("remembers %d after a minute, want the new one, the node, and those of the other reason", len(p.a.d.named))
		}
	})
}

// A node that speaks wire version 1 is an alarm for as long as it does.
func TestOldVersionIsAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		from := datagramFrom("192.0.2.12:7000")
		for range 3 * 60 {
			p.a.onLoop(func() { p.a.d.refused(seal.ErrOldVersion, seal.Header{Version: 1}, from) })
			if text := alarms(p.a); !strings.Contains(text, "hist-b (192.0.2.12) speaks wire version 1") {
				t.Fatalf("alarms: %s", text)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(standsFor)
		if text := alarms(p.a); strings.Contains(text, "wire version") {
			t.Errorf("alarms: %s", text)
		}
	})
}

// Who is refused again and again is looked up, and nothing more.
func TestRefusalsAllocateNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		for _, from := range []sender{datagramFrom("192.0.2.12:7000"), datagramFrom("192.0.2.66:7000"), datagramFrom("[2001:db8::1%eth0]:7000"), frameFrom(7), frameFrom(knownMAC)} {
			p.a.onLoop(func() {
				p.a.d.refused(seal.ErrForged, seal.Header{}, from)
				if n := testing.AllocsPerRun(100, func() { p.a.d.refused(seal.ErrForged, seal.Header{}, from) }); n != 0 {
					t.Errorf("%s: %v allocations", from, n)
				}
			})
		}
	})
}

func TestMalformedIsNamedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		for range 3 {
			p.a.onLoop(func() {
				p.a.d.malformed(p.b.d.cluster().Self.Slot, datagramFrom("192.0.2.12:7000"), errors.New("octets after the message"))
			})
		}
		time.Sleep(time.Millisecond)
		n := 0
		for _, text := range p.a.texts() {
			if strings.Contains(text, "hist-b sends what can't be read: from 192.0.2.12:7000: octets after the message") {
				n++
			}
		}
		if got := p.a.d.Status().Dropped["malformed"]; n != 1 || got != 3 {
			t.Errorf("named %d times, counted %d; want 1 and 3", n, got)
		}
	})
}
