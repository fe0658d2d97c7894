package lease

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/testlab/rig"
)

// addMacvlan adds an interface over a port.
func addMacvlan(t *testing.T, p *rig.Port) netlink.Link {
	t.Helper()
	return addLink(t, p, &netlink.Macvlan{Mode: netlink.MACVLAN_MODE_BRIDGE})
}

// addLink adds an interface over a port, and skips where the kernel has none of
// that kind.
func addLink(t *testing.T, p *rig.Port, link netlink.Link) netlink.Link {
	t.Helper()
	a := link.Attrs()
	*a = netlink.NewLinkAttrs()
	a.Name, a.ParentIndex = "over0", p.Index()
	handle := p.Host().Handle()
	if err := handle.LinkAdd(link); err != nil {
		rig.Missing(t, link.Type(), err)
	}
	made, err := handle.LinkByName(a.Name)
	if err == nil {
		err = handle.LinkSetUp(made)
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// reaches says whether a client gets an answer by UDP from the address. It is
// patient when that is wanted: the client's kernel asks for a hardware address
// once a second.
func reaches(t *testing.T, client *rig.Host, address netip.Addr, wanted bool) bool {
	t.Helper()
	tries := 8
	if wanted {
		tries = 200
	}
	answered := false
	err := client.Do(func() error {
		conn, err := net.Dial("udp", netip.AddrPortFrom(address, 7).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		for range tries {
			conn.SetDeadline(time.Now().Add(25 * time.Millisecond))
			conn.Write([]byte("hello"))
			if _, err := conn.Read(make([]byte, 16)); err == nil {
				answered = true
				return nil
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return answered
}

// echo answers every datagram at the address, from it.
func echo(t *testing.T, h *rig.Host, address netip.Addr) {
	t.Helper()
	var conn *net.UDPConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 7)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 64)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			conn.WriteToUDPAddrPort(buffer[:n], from)
		}
	}()
}

func putOn(t *testing.T, h *rig.Host, link netlink.Link, address netip.Addr) {
	t.Helper()
	if err := h.Handle().AddrAdd(link, hostAddress(address)); err != nil {
		t.Fatal(err)
	}
}

func portLink(t *testing.T, p *rig.Port) netlink.Link {
	t.Helper()
	link, err := p.Host().Handle().LinkByName(p.Name())
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// TestClients holds the address on each kind of interface and asks for it from
// the LAN and from the host itself, before a renewal, after it and after the end.
func TestClients(t *testing.T) {
	kinds := map[string]func(*testing.T, *rig.Port) netlink.Link{
		"plain":   portLink,
		"macvlan": addMacvlan,
	}
	for _, layer := range layers {
		for kind, on := range kinds {
			for _, address := range []netip.Addr{shared4, shared6} {
				t.Run(string(layer)+", "+kind+", "+address.String(), func(t *testing.T) {
					t.Parallel()
					owner, client := pair(t)
					link := on(t, owner)
					l := open(t, owner.Host(), Options{Prefer: layer})
					x := arm(t, l, address, link.Attrs().Index)
					putOn(t, owner.Host(), link, address)
					echo(t, owner.Host(), address)
					for _, valid := range []bool{false, true, false} {
						if valid {
							renew(t, x, time.Hour)
						} else if err := x.Expire(); err != nil {
							t.Fatal(err)
						}
						if reaches(t, client.Host(), address, valid) != valid {
							t.Errorf("a client on the LAN: reached %v", !valid)
						}
						if reaches(t, owner.Host(), address, valid) != valid {
							t.Errorf("a client on the host itself: reached %v", !valid)
						}
					}
				})
			}
		}
	}
}

// TestTaggedAndBonded does the same with interfaces that not every kernel has.
func TestTaggedAndBonded(t *testing.T) {
	for _, kind := range []string{"vlan", "bond"} {
		t.Run(kind, func(t *testing.T) {
			owner, client := pair(t)
			var ends [2]netlink.Link
			for i, p := range []*rig.Port{owner, client} {
				if kind == "vlan" {
					ends[i] = addLink(t, p, &netlink.Vlan{VlanId: 5})
				} else {
					ends[i] = addBond(t, p)
				}
				home := []netip.Prefix{netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("198.51.100.2/24")}[i]
				err := p.Host().Handle().AddrAdd(ends[i], &netlink.Addr{IPNet: &net.IPNet{
					IP: home.Addr().AsSlice(), Mask: net.CIDRMask(home.Bits(), 32),
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			l := open(t, owner.Host(), Options{Prefer: BPF})
			address := netip.MustParseAddr("198.51.100.10")
			x := arm(t, l, address, ends[0].Attrs().Index)
			putOn(t, owner.Host(), ends[0], address)
			echo(t, owner.Host(), address)
			if reaches(t, client.Host(), address, false) {
				t.Error("reached before a renewal")
			}
			if renew(t, x, time.Hour); !reaches(t, client.Host(), address, true) {
				t.Error("not reached with a valid lease")
			}
		})
	}
}

// addBond adds a bond with the port as its only member.
func addBond(t *testing.T, p *rig.Port) netlink.Link {
	t.Helper()
	handle := p.Host().Handle()
	bond := netlink.NewLinkBond(netlink.NewLinkAttrs())
	bond.Name, bond.Mode = "bond0", netlink.BOND_MODE_ACTIVE_BACKUP
	if err := handle.LinkAdd(bond); err != nil {
		rig.Missing(t, "bond", err)
	}
	member := portLink(t, p)
	for _, err := range []error{
		handle.LinkSetDown(member), handle.LinkSetMaster(member, bond), handle.LinkSetUp(bond),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := handle.LinkByName("bond0")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestStandby has a host whose own lease of the address is expired be a client
// of the one that holds it, and ask who has it.
func TestStandby(t *testing.T) {
	for _, layer := range layers {
		for _, address := range []netip.Addr{shared4, shared6} {
			t.Run(string(layer)+", "+address.String(), func(t *testing.T) {
				t.Parallel()
				holder, standby := pair(t)
				for _, p := range []*rig.Port{holder, standby} {
					l := open(t, p.Host(), Options{Prefer: layer})
					x := arm(t, l, address, p.Index())
					if p == holder {
						renew(t, x, time.Hour)
						putOn(t, p.Host(), portLink(t, p), address)
					}
				}
				echo(t, holder.Host(), address)
				if !reaches(t, standby.Host(), address, true) {
					t.Error("the standby can't be a client of the address")
				}
				probe := frame(typeARP, arp(1, zero4, address))
				if address.Is6() {
					probe = frame(typeIP6, icmp6(zero6, netip.MustParseAddr("ff02::1:ff00:10"),
						append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, address.AsSlice()...)))
				}
				sender := listen(t, standby, 0)
				defer sender.Close()
				if !send(t, sender, probe, 0) {
					t.Error("the standby can't ask who has the address")
				}
			})
		}
	}
}

// TestNotAnInterface arms where nothing can be guarded.
func TestNotAnInterface(t *testing.T) {
	for _, layer := range layers {
		t.Run(string(layer), func(t *testing.T) {
			owner, _ := pair(t)
			l := open(t, owner.Host(), Options{Prefer: layer})
			if _, err := l.Arm([]netip.Addr{shared4}, 12345); err == nil {
				t.Error("armed on an interface that doesn't exist")
			}
			for _, wrong := range []netip.Addr{{}, netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("ff02::1"), netip.MustParseAddr("fe80::1%eth0")} {
				if _, err := l.Arm([]netip.Addr{shared4, wrong}, owner.Index()); err == nil {
					t.Errorf("armed %s", wrong)
				}
			}
		})
	}
}
