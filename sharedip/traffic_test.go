package sharedip

import (
	"net/netip"
	"os"
	"testing"
	"time"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

func TestHeard(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	begun := time.Now()
	w.await("a frame of the client, which is asked for nothing", func() bool {
		w.askClient()
		return !w.hands.Heard("vip:front").IsZero()
	})
	if at := w.hands.Heard("vip:front"); at.Before(begun.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("heard at %v", at)
	}
	if !w.hands.Heard("vip:x").IsZero() {
		t.Error("heard for a token that is not configured")
	}
	w.port.Down()
	w.await("silence", func() bool { return w.hands.Heard("vip:front").IsZero() })
}

// askClient makes the client's kernel ask the LAN for somebody.
func (w *world) askClient() {
	f, err := neighbor.NewQuestion(rtnl.Link{LinkState: rtnl.LinkState{MAC: w.client.Port("eth0").MAC()}}, netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("192.0.2.99"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(w.client.Port("eth0"), f)
}

// On a LAN where nobody speaks, the router is made to.
func TestHeardWhereItIsQuiet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, both...)
	w.router()
	w.run()
	for range 3 {
		after := time.Now()
		w.await("the router once more", func() bool { return w.hands.Heard("vip:front").After(after) })
	}
}

// A switch with spanning tree gives a carrier long before it forwards, and speaks
// on the port meanwhile: that is no frame of another host's.
func TestSwitchThatDoesNotForwardYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	box := w.lab.Host("switch")
	for _, scope := range []string{"all", "default"} { // it has nothing of its own to say
		box.Set("net/ipv6/conf/"+scope+"/disable_ipv6", "1")
	}
	w.wire(box, "port1", w.node, "lan1", netip.MustParsePrefix("198.51.100.1/24"))
	w.wire(box, "port2", w.client, "lan1", netip.MustParsePrefix("198.51.100.9/24"))
	w.bridge(box, "port1", "port2")
	w.configure(Set{Token: "vip:front", Addresses: []Address{{netip.MustParsePrefix("198.51.100.10/24"), "lan1"}}})
	if err := w.node.Handle().RouteAdd(&netlink.Route{Gw: netip.MustParseAddr("198.51.100.9").AsSlice()}); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.await("the carrier", func() bool { return w.hands.Links()["lan1"].Carrier })
	// Spanning tree's shortest delays are 2 s of listening and 2 s of learning.
	spoke := false
	for !w.forwards(box, "port1") {
		if !w.hands.Heard("vip:front").IsZero() && !w.forwards(box, "port1") {
			t.Fatal("heard through a switch that doesn't forward")
		}
		spoke = spoke || w.received("lan1") > 0
		time.Sleep(5 * time.Millisecond)
	}
	if !spoke {
		t.Error("the switch itself was silent: nothing has been shown")
	}
	w.await("the other side", func() bool { return !w.hands.Heard("vip:front").IsZero() })
}

// A port that passes nothing, either way, for five seconds after its carrier.
func TestDeafPort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, both...)
	w.router()
	w.run()
	w.await("the router", func() bool { return !w.hands.Heard("vip:front").IsZero() })
	w.port.Down()
	w.await("silence", func() bool { return w.hands.Heard("vip:front").IsZero() })
	end1 := w.lan.Drop(rig.Fault{From: w.port})
	end2 := w.lan.Drop(rig.Fault{To: w.port})
	w.port.Up()
	w.await("the carrier", func() bool { return w.hands.Links()["eth0"].Carrier })
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if !w.hands.Heard("vip:front").IsZero() {
			t.Fatal("heard through a port that passes nothing")
		}
	}
	end1()
	end2()
	w.await("the router again", func() bool { return !w.hands.Heard("vip:front").IsZero() })
}

// wire lays a cable between two hosts and gives the second's end an address.
func (w *world) wire(from *rig.Host, fromName string, to *rig.Host, toName string, home netip.Prefix) {
	w.t.Helper()
	var inside *os.File
	err := to.Do(func() (err error) { inside, err = os.Open("/proc/thread-self/ns/net"); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	defer inside.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fromName
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: toName, PeerNamespace: netlink.NsFd(int(inside.Fd()))}
	if err := from.Handle().LinkAdd(cable); err != nil {
		w.t.Fatal(err)
	}
	w.up(to, toName, home)
}

// up sets a card up and gives it addresses.
func (w *world) up(host *rig.Host, name string, homes ...netip.Prefix) netlink.Link {
	w.t.Helper()
	card, err := host.Handle().LinkByName(name)
	if err == nil {
		err = host.Handle().LinkSetUp(card)
	}
	for _, home := range homes {
		if err == nil {
			err = host.Handle().AddrAdd(card, &netlink.Addr{IPNet: ipNet(home), Flags: unix.IFA_F_NODAD})
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return card
}

// bridge makes a host a switch with spanning tree and its shortest delays.
func (w *world) bridge(host *rig.Host, ports ...string) {
	w.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "bridge"
	box := &netlink.Bridge{LinkAttrs: attrs}
	err := host.Handle().LinkAdd(box)
	if err == nil {
		err = host.Do(func() error {
			for file, value := range map[string]string{"stp_state": "1", "forward_delay": "200", "hello_time": "100"} {
				if err := os.WriteFile("/sys/class/net/bridge/bridge/"+file, []byte(value), 0); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.up(host, "bridge")
	for _, name := range ports {
		port := w.up(host, name)
		if err := host.Handle().LinkSetMaster(port, box); err != nil {
			w.t.Fatal(err)
		}
	}
}

// forwards reports whether a bridge port is in that state, 3.
func (w *world) forwards(host *rig.Host, port string) (yes bool) {
	w.t.Helper()
	err := host.Do(func() error {
		b, err := os.ReadFile("/sys/class/net/" + port + "/brport/state")
		yes = len(b) > 0 && b[0] == '3'
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return yes
}

// received is how many frames a card of the node's got.
func (w *world) received(name string) uint64 {
	card, err := w.node.Handle().LinkByName(name)
	if err != nil || card.Attrs().Statistics == nil {
		return 0
	}
	return card.Attrs().Statistics.RxPackets
}

func (w *world) configure(sets ...Set) {
	w.t.Helper()
	if err := w.hands.Configure(sets); err != nil {
		w.t.Fatal(err)
	}
}
