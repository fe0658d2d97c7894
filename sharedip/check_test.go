package sharedip

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestCheck(t *testing.T) {
	for _, row := range []struct {
		name   string
		set    func(w *world)
		places []Address
		want   string
	}{
		{name: "fine", places: both[0].Addresses, want: "[]"},
		{
			name:   "arp_ignore of the card",
			set:    func(w *world) { w.node.Set("net/ipv4/conf/eth0/arp_ignore", "8") },
			places: both[0].Addresses,
			want:   "[192.0.2.10: net.ipv4.conf.eth0.arp_ignore is 8, so the kernel answers no ARP request: set it to 0, 1 or 2]",
		},
		{
			name:   "arp_ignore of all",
			set:    func(w *world) { w.node.Set("net/ipv4/conf/all/arp_ignore", "8") },
			places: both[0].Addresses,
			want:   "[192.0.2.10: net.ipv4.conf.all.arp_ignore is 8, so the kernel answers no ARP request: set it to 0, 1 or 2]",
		},
		{
			name: "someone's static address",
			set: func(w *world) {
				card, _ := w.node.Handle().LinkByName("eth0")
				w.node.Handle().AddrAdd(card, &netlink.Addr{IPNet: ipNet(vip4)})
			},
			places: both[0].Addresses,
			want:   "[192.0.2.10 is configured on eth0 by someone else: remove it from the network configuration]",
		},
		{
			name:   "no such interface",
			places: []Address{{vip4, "eth7"}},
			want:   `[192.0.2.10: there is no interface "eth7" (there is lo, eth0)]`,
		},
		{
			name:   "loopback",
			places: []Address{{vip4, "lo"}},
			want:   "[192.0.2.10: lo is no Ethernet interface: nobody can be told where the address is]",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, Set{Token: "vip:front", Addresses: row.places})
			if row.set != nil {
				row.set(w)
			}
			if got := fmt.Sprint(w.hands.Check()); got != row.want {
				t.Errorf("\n got %s\nwant %s", got, row.want)
			}
		})
	}
}

// The standby is in the solicited-node group before it takes the address.
func TestStandbyIsInTheSolicitedNodeGroup(t *testing.T) {
	w := newWorld(t, both...)
	var groups []byte
	err := w.node.Do(func() (err error) {
		groups, err = os.ReadFile("/proc/thread-self/net/igmp6")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(groups), "ff0200000000000000000001ff000010") {
		t.Errorf("not in ff02::1:ff00:10:\n%s", groups)
	}
}
