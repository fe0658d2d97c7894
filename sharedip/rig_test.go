package sharedip

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	if os.Getenv(holderVariable) != "" {
		os.Exit(hold())
	}
	if flag.Parse(); flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(m.Run()) // a fuzzer talks to its workers, which must stay its children
	}
	os.Exit(rig.Main(m))
}

// limit is how long a test waits for what should happen at once.
const limit = 10 * time.Second

var (
	vip4    = netip.MustParsePrefix("192.0.2.10/24")
	vip6    = netip.MustParsePrefix("2001:db8::10/64")
	nodeIPs = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	peerIPs = []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}
	both    = []Set{{Token: "vip:front", Addresses: []Address{{Prefix: vip4}, {Prefix: vip6}}}}
)

// world is a node with hands, and a client, on one LAN.
type world struct {
	t            testing.TB
	node, client *rig.Host
	lab          *rig.Lab
	lan          *rig.Switch
	port         *rig.Port
	hands        *AddressManager

	mu     sync.Mutex
	events []Event
	owns   bool
	asked  []string // what Owns was asked
}

// newWorld makes the node at 192.0.2.1 and 2001:db8::1 and the client at 9.
func newWorld(t testing.TB, sets ...Set) *world {
	t.Helper()
	lab := rig.Start(t)
	w := &world{t: t, lab: lab, node: lab.Host("node"), client: lab.Host("client"), owns: true}
	w.lan = lab.Switch("lan")
	w.port = w.node.Plug(w.lan, "eth0", netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64"))
	w.client.Plug(w.lan, "eth0", netip.MustParsePrefix("192.0.2.9/24"), netip.MustParsePrefix("2001:db8::9/64"))
	w.hands = w.open()
	if err := w.hands.Configure(sets); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) open() (h *AddressManager) {
	w.t.Helper()
	err := w.node.Do(func() (err error) {
		h, err = Open(Options{Own: nodeIPs, Peers: peerIPs, Owns: w.ask, Event: w.record})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(h.Close)
	return h
}

func (w *world) ask(token string, epoch uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprint(token, " ", epoch))
	return w.owns
}

func (w *world) record(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *world) told(is func(Event) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.events, is)
}

// run runs the hands until the test ends, and renews as a living owner does.
func (w *world) run() {
	w.runOnly()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(300 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				w.hands.Renew()
			}
		}
	}()
	w.t.Cleanup(func() { stop(); <-done })
}

// runOnly runs the hands without an owner that renews.
func (w *world) runOnly() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.hands.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.await("the first look", func() bool { return len(w.hands.Links()) > 0 || len(w.hands.tokens) == 0 })
}

func (w *world) take(token string, epoch uint64) {
	w.t.Helper()
	if err := w.hands.Take(token, epoch); err != nil {
		w.t.Fatal(err)
	}
}

// takeAndSettle takes both addresses and waits until all three announcements of
// them, each of two ARP forms and one NA, are out: the next has another cause.
func (w *world) takeAndSettle() {
	w.t.Helper()
	before := w.hands.Counters().Announced
	w.take("vip:front", 1)
	w.await("the series", func() bool { return w.hands.Counters().Announced == before+9 })
}

func (w *world) drop(token string) {
	w.t.Helper()
	if err := w.hands.Drop(token); err != nil {
		w.t.Fatal(err)
	}
}

// addresses lists the node's addresses of host length, other than loopback's.
func (w *world) addresses() (list []string) {
	w.t.Helper()
	all, err := w.node.Handle().AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range all {
		if ones, bits := a.Mask.Size(); ones == bits && !a.IP.IsLoopback() {
			list = append(list, a.IPNet.String())
		}
	}
	slices.Sort(list)
	return list
}

func (w *world) has(p netip.Prefix) bool {
	return slices.Contains(w.addresses(), single(p.Addr()).String())
}

// removeByHand does what an operator's "ip addr del" does.
func (w *world) removeByHand(p netip.Prefix) {
	w.t.Helper()
	if err := w.tryRemove(p); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tryRemove(p netip.Prefix) error {
	card, err := w.node.Handle().LinkByName("eth0")
	if err != nil {
		return err
	}
	return w.node.Handle().AddrDel(card, &netlink.Addr{IPNet: ipNet(single(p.Addr()))})
}

// await waits until is holds.
func (w *world) await(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("%s: not within %v; events %+v", what, limit, w.events)
		}
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// listen opens a socket on the client's card that sees frames of one type.
func (w *world) listen(etherType int) *packet.Conn {
	w.t.Helper()
	var c *packet.Conn
	err := w.client.Do(func() error {
		card, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		c, err = packet.Listen(card, packet.Raw, etherType, nil)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// next returns the next frame that is wanted.
func (w *world) next(c *packet.Conn, wanted func([]byte) bool) []byte {
	w.t.Helper()
	c.SetReadDeadline(time.Now().Add(limit))
	b := make([]byte, 2048)
	for {
		n, _, err := c.ReadFrom(b)
		if err != nil {
			w.t.Fatalf("no such frame: %v", err)
		}
		if wanted(b[:n]) {
			return b[:n]
		}
	}
}

// isNA reports whether a frame is a Neighbor Advertisement.
func isNA(f []byte) bool {
	return len(f) > 54 && f[12] == 0x86 && f[13] == 0xdd && f[20] == unix.IPPROTO_ICMPV6 && f[54] == 136
}

// Offsets in a frame, in bytes, and values there (RFC 826, RFC 4861 sections 4.3 and 4.4).
const (
	arpOpAt       = 20
	arpTargetAt   = 38
	icmpAt        = 54
	arpRequest    = 1
	arpReply      = 2
	solicitation  = 135
	advertisement = 136
)
