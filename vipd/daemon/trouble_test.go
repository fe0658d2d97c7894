package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/seal"
)

// Whoever sends what can't be opened is named with what to change, once a minute.
func TestStrangersAreNamedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		from := netip.MustParseAddrPort("192.0.2.66:7000")
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
			{seal.ErrCluster, "`cluster`"}, {seal.ErrKey, "key_file"}, {seal.ErrVersion, "upgrade"}, {seal.ErrForged, "forging"},
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
		for _, quiet := range []seal.Refusal{seal.ErrReplay, seal.ErrTooOld, seal.ErrRetired, seal.ErrShort} {
			p.a.onLoop(func() { p.a.d.refused(quiet, seal.Header{}, from) })
		}
		if n := named(""); n != 8 {
			t.Errorf("%d lines, want none of what happens by itself", n)
		}
	})
}

// However many strangers there are, what is remembered and said of them is bounded.
func TestStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		before := len(p.a.texts())
		for i := range 5000 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7000)
			p.a.onLoop(func() { p.a.d.refused(seal.ErrKey, seal.Header{}, from) })
		}
		synctest.Wait()
		if n := len(p.a.texts()) - before; n != namedMost || len(p.a.d.named) != namedMost {
			t.Errorf("named %d and remembers %d, want %d", n, len(p.a.d.named), namedMost)
		}
		time.Sleep(sayAgain)
		p.a.onLoop(func() { p.a.d.refused(seal.ErrKey, seal.Header{}, netip.MustParseAddrPort("10.9.9.9:1")) })
		if len(p.a.d.named) != 1 {
			t.Errorf("remembers %d after a minute, want the new one", len(p.a.d.named))
		}
	})
}

func TestMalformedIsNamedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		for range 3 {
			p.a.onLoop(func() { p.a.d.malformed(p.b.d.cluster().self.Slot, errors.New("octets after the message")) })
		}
		time.Sleep(time.Millisecond)
		n := 0
		for _, text := range p.a.texts() {
			if strings.Contains(text, "hist-b sends what can't be read: octets after the message") {
				n++
			}
		}
		if got := p.a.d.Status().Dropped["malformed"]; n != 1 || got != 3 {
			t.Errorf("named %d times, counted %d; want 1 and 3", n, got)
		}
	})
}

// A disk that can't be written is an alarm until it can, and what is held stays.
func TestDiskTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.a.d.diskTrouble(fmt.Errorf("write state: %w", errors.New("no space left on device")))
		if text := alarms(p.a); !strings.Contains(text, "no space left on device") {
			t.Errorf("alarms: %s", text)
		}
		p.a.d.diskTrouble(nil)
		if text := alarms(p.a); strings.Contains(text, "space") {
			t.Errorf("alarms: %s", text)
		}
	})
}
