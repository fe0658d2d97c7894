package lease

import (
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"vipd/host/boot"
)

// BenchmarkPacket is what a packet costs: of somebody else's, of an address
// whose lease is valid, and of one whose lease has expired. A program that does
// nothing is the floor.
func BenchmarkPacket(b *testing.B) {
	p := openBPF(b)
	others := manyAddresses(1000)
	if _, err := p.enter(append(others, shared4, shared6)); err != nil {
		b.Fatal(err)
	}
	b.Run("nothing done", func(b *testing.B) {
		empty, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Type: ebpf.SchedCLS, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
		})
		if err != nil {
			b.Fatal(err)
		}
		defer empty.Close()
		perPacket(b, empty, frame(0x88cc, make([]byte, 46)))
	})
	for _, c := range []struct {
		name  string
		frame []byte
		valid bool
	}{
		{"another protocol", frame(0x88cc, make([]byte, 46)), true},
		{"IPv4 of others", frame(typeIP4, ip4(other4, other4, 0)), true},
		{"IPv4 valid", frame(typeIP4, ip4(other4, shared4, 0)), true},
		{"IPv4 expired", frame(typeIP4, ip4(other4, shared4, 0)), false},
		{"ARP valid", frame(typeARP, arp(1, other4, shared4)), true},
		{"IPv6 of others", frame(typeIP6, ip6(other6, other6, 17, make([]byte, 8))), true},
		{"IPv6 valid", frame(typeIP6, ip6(other6, shared6, 17, make([]byte, 8))), true},
		{"NS valid", frame(typeIP6, discovery(135, other6, other6, shared6)), true},
	} {
		b.Run(c.name, func(b *testing.B) {
			cells, _ := p.enter([]netip.Addr{shared4, shared6})
			for _, cell := range cells {
				cell.Store(0)
				if c.valid {
					cell.Store(int64(boot.Now().Add(time.Hour)))
				}
			}
			perPacket(b, p.in, c.frame)
		})
	}
}

// perPacket lets the kernel repeat the program and measure.
func perPacket(b *testing.B, program *ebpf.Program, packet []byte) {
	b.Helper()
	_, each, err := program.Benchmark(packet, max(b.N, 1000), b.ResetTimer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(each.Nanoseconds()), "ns/packet")
}

// BenchmarkRenew is what it costs to renew one lease, and a thousand in one go.
func BenchmarkRenew(b *testing.B) {
	for _, layer := range layers {
		for _, count := range []int{1, 1000} {
			b.Run(string(layer)+"/"+map[int]string{1: "one", 1000: "thousand"}[count], func(b *testing.B) {
				l, rs := manyLeases(b, layer, count)
				b.ReportAllocs()
				for b.Loop() {
					until := boot.Now().Add(10 * time.Second)
					for i := range rs {
						rs[i].Until = until
					}
					if err := l.Renew(rs); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRenewByCall is the way not taken: a map update by system call.
func BenchmarkRenewByCall(b *testing.B) {
	p := openBPF(b)
	k := addressKey(shared4)
	if _, err := p.enter([]netip.Addr{shared4}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := p.table.keys.Put(k, place{}); err != nil {
			b.Fatal(err)
		}
	}
}

// manyAddresses is so many addresses of the benchmarking network (RFC 2544).
func manyAddresses(count int) (list []netip.Addr) {
	for i := range count {
		list = append(list, netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}))
	}
	return list
}

func manyLeases(t testing.TB, layer Layer, count int) (*Leases, []Renewal) {
	t.Helper()
	l, err := Open(Options{Prefer: layer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, x := range l.Adopted() {
			x.Disarm()
		}
		l.Close()
	})
	if l.Layer() != layer {
		t.Skip(l.Why())
	}
	list, err := l.Arm(manyAddresses(count), 1)
	if err != nil {
		t.Fatal(err)
	}
	rs := make([]Renewal, 0, count)
	for _, x := range list {
		rs = append(rs, Renewal{x, 0})
	}
	return l, rs
}
