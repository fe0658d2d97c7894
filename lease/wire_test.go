package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"vipd/host/boot"
	"vipd/testlab/rig"
)

var (
	home4 = netip.MustParsePrefix("192.0.2.1/24")
	home6 = netip.MustParsePrefix("2001:db8::1/64")
	peer4 = netip.MustParsePrefix("192.0.2.2/24")
	peer6 = netip.MustParsePrefix("2001:db8::2/64")

	second4 = netip.MustParsePrefix("192.0.2.3/24")
	second6 = netip.MustParsePrefix("2001:db8::3/64")
)

// layers are those that enforce something.
var layers = []Layer{BPF, Nftables}

// pair is an owner's host and a client's on one network.
func pair(t *testing.T) (owner, client *rig.Port) {
	lab := rig.Start(t)
	lan := lab.Switch("lan")
	owner = lab.Host("owner").Plug(lan, "eth0", home4, home6)
	client = lab.Host("client").Plug(lan, "eth0", peer4, peer6)
	return owner, client
}

// open opens the leases of a host on that layer, which the test needs.
func open(t *testing.T, h *rig.Host, o Options) *Leases {
	t.Helper()
	if o.Prefer == BPF {
		rig.Need(t, rig.BPF)
	}
	var l *Leases
	err := h.Do(func() (err error) {
		l, err = Open(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if l.Layer() != o.Prefer {
		t.Fatalf("layer %s, because %s", l.Layer(), l.Why())
	}
	return l
}

// arm arms a lease or ends the test.
func arm(t *testing.T, l *Leases, address netip.Addr, interfaces ...int) *Lease {
	t.Helper()
	list, err := l.Arm([]netip.Addr{address}, interfaces...)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// renew renews a lease for so long from now, or ends the test.
func renew(t *testing.T, x *Lease, d time.Duration) {
	t.Helper()
	if err := x.leases.Renew([]Renewal{{x, boot.Now().Add(d)}}); err != nil {
		t.Fatal(err)
	}
}

// TestFrames sends every form of packet into and out of a host, and compares
// what gets through with what an expired and a valid lease shall let through.
func TestFrames(t *testing.T) {
	for _, layer := range layers {
		t.Run(string(layer), func(t *testing.T) {
			owner, client := pair(t)
			l := open(t, owner.Host(), Options{Prefer: layer})
			for _, valid := range []bool{false, true} {
				for _, address := range []netip.Addr{shared4, shared6} {
					x := arm(t, l, address, owner.Index())
					if valid {
						renew(t, x, time.Hour)
					}
				}
				// The rules don't look behind a tag that the kernel has not taken off:
				// what is for an interface in a VLAN comes there without.
				behind := func(i int, tag string) bool {
					return layer == Nftables && strings.Contains(packetCases[i].name, tag)
				}
				checkWay(t, client, owner, func(i int) bool {
					return !packetCases[i].in || valid || behind(i, "provider")
				})
				checkWay(t, owner, client, func(i int) bool {
					return !packetCases[i].out || valid || behind(i, "VLAN")
				})
			}
		})
	}
}

// checkWay sends every case from one port to the other.
func checkWay(t *testing.T, from, to *rig.Port, arrives func(int) bool) {
	t.Helper()
	var frames [][]byte
	for _, c := range packetCases {
		frames = append(frames, c.frame)
	}
	seen := crossing(t, from, to, frames)
	for i, c := range packetCases {
		if strings.Contains(c.name, "cut short") || c.name == "nothing behind the header" {
			continue // an interface sends no such frame
		}
		if strings.Contains(c.name, "three VLANs") {
			continue // the kernel takes the first tag off, or doesn't
		}
		if seen[i] != arrives(i) {
			t.Errorf("%s, from %s to %s: arrived %v", c.name, from.Host().Name(), to.Host().Name(), seen[i])
		}
	}
}

// crossing sends the frames from one port to the other, and returns which arrive there
// behind the filters.
func crossing(t *testing.T, from, to *rig.Port, frames [][]byte) map[int]bool {
	t.Helper()
	got := make(chan int, 10*len(frames)+10)
	marker := len(frames)
	var sockets []*packet.Conn
	for _, kind := range []int{typeIP4, typeIP6, typeARP, typeVLAN, 0x88cc} {
		sockets = append(sockets, listen(t, to, kind))
		go collect(sockets[len(sockets)-1], got)
	}
	sender := listen(t, from, 0)
	defer sender.Close()
	for i, f := range frames {
		send(t, sender, f, i)
	}
	send(t, sender, frame(typeARP, arp(1, other4, other4)), marker)
	seen := make(map[int]bool)
	settle := time.After(5 * time.Second)
	for waiting := true; waiting; {
		select {
		case i := <-got:
			if seen[i] = true; i == marker {
				settle = time.After(20 * time.Millisecond) // other sockets may be behind
			}
		case <-settle:
			waiting = false
		}
	}
	for _, s := range sockets {
		s.Close()
	}
	if !seen[marker] {
		t.Fatal("nothing arrives")
	}
	return seen
}

// listen opens a socket that gets frames of one EtherType behind the filters.
func listen(t *testing.T, p *rig.Port, kind int) (c *packet.Conn) {
	t.Helper()
	err := p.Host().Do(func() error {
		card, err := net.InterfaceByName(p.Name())
		if err != nil {
			return err
		}
		c, err = packet.Listen(card, packet.Raw, kind, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Which case a frame is of stands in its source.
var mark = net.HardwareAddr{2, 0xca, 0x5e, 0}

// send says whether the frame got out: a drop at egress is told to the sender.
func send(t *testing.T, c *packet.Conn, frame []byte, number int) bool {
	t.Helper()
	copy(frame, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	copy(frame[6:], binary.BigEndian.AppendUint16(append(net.HardwareAddr(nil), mark...), uint16(number)))
	_, err := c.WriteTo(frame, &packet.Addr{HardwareAddr: net.HardwareAddr(frame[:6])})
	if err != nil && !errors.Is(err, unix.ENOBUFS) {
		t.Fatal(fmt.Errorf("send case %d: %w", number, err))
	}
	return err == nil
}

func collect(c *packet.Conn, got chan<- int) {
	buffer := make([]byte, 2048)
	for {
		n, _, err := c.ReadFrom(buffer)
		if err != nil {
			return
		}
		if n >= etherHeader && string(buffer[6:10]) == string(mark) {
			select {
			case got <- int(binary.BigEndian.Uint16(buffer[10:])):
			default:
			}
		}
	}
}
