package ether

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/multicast"
	"vipd/testlab/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// group is locally administered.
var group = [6]byte{3, 0, 1, 2, 3, 4}

// open opens a socket on an interface of the host.
func open(t *testing.T, h *rig.Host, name string) *Socket {
	t.Helper()
	link, err := h.Handle().LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	var s *Socket
	err = h.Do(func() (err error) {
		s, err = Open(Options{Interface: link.Attrs().Index, EtherType: 0x88b5, Group: group})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// cabled are two hosts on one switch, without an address.
func cabled(t *testing.T) (a, b *rig.Host) {
	lab := rig.Start(t)
	a, b = lab.Host("a"), lab.Host("b")
	a.Plug(lab.Switch("lan"), "eth0")
	b.Plug(lab.Switch("lan"), "eth0")
	return a, b
}

// A frame to the group arrives, and its source address leads back by unicast.
func TestGroupAndUnicast(t *testing.T) {
	first, second := cabled(t)
	a, b := open(t, first, "eth0"), open(t, second, "eth0")
	crosses(t, a, b)
	if a.Gone() || b.Gone() {
		t.Error("an interface is said to be gone")
	}
	link, err := first.Handle().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Handle().LinkDel(link); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); !a.Gone(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an interface that is gone is not said to be")
		}
	}
	if err := a.SendGroup([]byte("text")); err == nil {
		t.Error("sent on an interface that is gone")
	}
}

// crosses sends a text to the group and has it sent back by unicast.
func crosses(t *testing.T, a, b *Socket) {
	t.Helper()
	text := slices.Repeat([]byte("sealed "), 12)
	d := read(t, b, func() error { return a.SendGroup(text) })
	if string(d.Data) != string(text) || !d.Multicast {
		t.Errorf("read %q, multicast %v", d.Data, d.Multicast)
	}
	back := b.Source(0)
	if d := read(t, a, func() error { return b.Send(text, back) }); string(d.Data) != string(text) || d.Multicast || d.Stamp.IsZero() {
		t.Errorf("read %q, multicast %v, stamp %v", d.Data, d.Multicast, d.Stamp)
	}
}

// Interfaces made of others carry frames too, where the kernel has them.
func TestInterfacesMadeOfOthers(t *testing.T) {
	for _, kind := range []string{"vlan", "macvlan", "bond", "bridge"} {
		t.Run(kind, func(t *testing.T) {
			first, second := cabled(t)
			top(t, first, kind)
			top(t, second, kind)
			crosses(t, open(t, first, "top"), open(t, second, "top"))
		})
	}
}

// top makes the interface top of eth0.
func top(t *testing.T, h *rig.Host, kind string) {
	t.Helper()
	eth0, err := h.Handle().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	over := netlink.LinkAttrs{Name: "top", ParentIndex: eth0.Attrs().Index}
	var made netlink.Link
	switch kind {
	case "vlan":
		made = &netlink.Vlan{LinkAttrs: over, VlanId: 10}
	case "macvlan":
		made = &netlink.Macvlan{LinkAttrs: over, Mode: netlink.MACVLAN_MODE_BRIDGE}
	case "bond":
		bond := netlink.NewLinkBond(netlink.LinkAttrs{Name: "top"})
		bond.Mode = netlink.BOND_MODE_ACTIVE_BACKUP
		made = bond
	case "bridge":
		made = &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "top"}}
	}
	if err := h.Handle().LinkAdd(made); err != nil {
		rig.Missing(t, kind, err)
	}
	if kind == "bond" || kind == "bridge" {
		if err := h.Handle().LinkSetDown(eth0); err != nil {
			t.Fatal(err)
		}
		if err := h.Handle().LinkSetMaster(eth0, made); err != nil {
			t.Fatal(err)
		}
		if err := h.Handle().LinkSetUp(eth0); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Handle().LinkSetUp(made); err != nil {
		t.Fatal(err)
	}
}

// read has the text sent until it arrives: a link that has just come up loses some.
func read(t *testing.T, s *Socket, send func() error) multicast.Datagram {
	t.Helper()
	batch := multicast.NewBatch(4, 2000)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err := send(); err != nil && !multicast.Transient(err) {
			t.Fatal(err)
		}
		if n, err := s.Read(batch); n > 0 {
			return batch[0]
		} else if !multicast.Transient(err) {
			t.Fatal(err)
		}
	}
	t.Fatal("no frame came")
	panic("unreachable")
}
