package leasing

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/lease"
	"vipd/testlab/rig"
	"vipd/token"
)

// writerOf is a sender loop that has leases of so many tokens, each of one address, in the host's
// kernel.
func writerOf(tb testing.TB, h *rig.Host, layer lease.Layer, count int) (b *SenderLoop, list []token.Lease) {
	tb.Helper()
	k := boot.Clocks{Now: boot.Now, Wall: func() clock.Wall { return clock.Wall(time.Now().UnixNano()) }}
	p, _, err := OpenPage(filepath.Join(tb.TempDir(), "leases"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	d := leasedIn(tb, h, layer)
	b = NewSenderLoop(k, heartbeat.Config{Self: 1, Peers: []uint8{2}, Interval: beatInterval, Dead: deadTime, Lease: leaseTime}, &recorder{}, p, d, func(bool) {}, func() {})
	if err := h.Do(func() error {
		for i := range count {
			id := token.ID("vip:" + strconv.Itoa(i))
			armed, err := d.leases.Arm([]netip.Addr{netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})})
			if err != nil {
				return err
			}
			d.armed[id] = armed
			list = append(list, token.Lease{Token: i, Limit: boot.Now().Add(time.Minute), Epoch: 257})
			b.SetLease(list[i], Row{ID: id, Epoch: 257})
		}
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	return b, list
}

// enforcerNotes is a kernel that notes what is written, or refuses it.
type enforcerNotes struct {
	written [][]Expiry
	refuses bool
}

func (n *enforcerNotes) Write(list []Expiry) bool {
	n.written = append(n.written, slices.Clone(list))
	return !n.refuses
}

// The kernel is told of many leases in one go, and not again until they change; what it
// refused it is told with the next send.
func TestLeasesInOneGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, k := newTestLoop(t, nil)
		kernel := &enforcerNotes{}
		b.kernel = kernel
		b.Stepped(k.Now())
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		limit := k.Now().Add(leaseTime / 2)
		list := []token.Lease{{Token: 0, Limit: limit, Epoch: 1}, {Token: 1, Limit: limit, Epoch: 1}}
		for i, l := range list {
			b.SetLease(l, Row{ID: uint64(10 + i), Epoch: 1})
		}
		expect := func(when string, want ...Expiry) {
			t.Helper()
			switch n := len(kernel.written); {
			case want == nil && n > 0:
				t.Errorf("%s: told %v", when, kernel.written)
			case want != nil && (n != 1 || !slices.Equal(kernel.written[0], want)):
				t.Errorf("%s: told %v, want %v", when, kernel.written, want)
			}
			kernel.written = nil
		}
		if len(kernel.written) != 2 {
			t.Errorf("each at first: told %v", kernel.written)
		}
		kernel.written = nil
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		expect("nothing has changed")
		limit += 5
		list[0].Limit, list[1].Limit = limit, limit
		kernel.refuses = true
		b.SetLeases(list, func(i int) bool { return i == 1 })
		expect("both have changed", Expiry{10, limit}, Expiry{11, limit})
		if b.Page.word(0, 4).Load() != 0 || b.Page.word(1, 4).Load() != 1 || b.Page.Expiry(1) != limit {
			t.Errorf("the page has %+v", b.Page.rows())
		}
		kernel.refuses = false
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		expect("refused before", Expiry{10, limit}, Expiry{11, limit})
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		expect("taken")
		b.Rewrite(11)
		expect("armed meanwhile", Expiry{11, limit})
		b.SetLease(token.Lease{Token: 0, Epoch: 1}, Row{ID: 10, Epoch: 1})
		expect("given up", Expiry{10, 0})
	})
}

// What a change of a thousand leases costs the beating thread, and a send that renews them.
func BenchmarkLeaseWriter(b *testing.B) {
	for _, layer := range []lease.Layer{lease.BPF, lease.Nftables} {
		b.Run(string(layer), func(b *testing.B) {
			lab := rig.Start(b)
			a := lab.Host("a")
			a.Plug(lab.Switch("lan"), "eth0", netip.MustParsePrefix("192.0.2.11/24"))
			w, list := writerOf(b, a, layer, 1000)
			b.Run("change", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					for i := range list {
						list[i].Limit++
					}
					w.SetLeases(list, func(int) bool { return false })
				}
			})
			b.Run("send", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w.renew()
				}
			})
		})
	}
}
