package attack

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"sync"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

// Claim is a frame that says on the clients' network that an address is at a hardware
// address, or asks for it, with any sender.
type Claim struct {
	Address netip.Addr
	MAC     net.HardwareAddr // that has it, or asks
	To      net.HardwareAddr // of the frame; nil: all
	Asker   netip.Addr       // whom an answer is for; invalid: nobody in particular
	Kind    ClaimKind
}

// ClaimKind is a form of a claim.
type ClaimKind int

const (
	Answer     ClaimKind = iota // an ARP reply, or a solicited neighbour advertisement
	Gratuitous                  // an ARP request for itself, or an unsolicited advertisement
	Probe                       // asks whether somebody has it, with no address of its own
)

var (
	everyone = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodes = netip.MustParseAddr("ff02::1")
)

// Frame is the claim as a frame.
func (c Claim) Frame() ([]byte, error) {
	if c.Address.Is4() {
		return c.arp()
	}
	return c.ndp()
}

func (c Claim) arp() ([]byte, error) {
	op, sender, target, asker := arp.OperationRequest, c.Address, c.Address, make(net.HardwareAddr, 6)
	switch c.Kind {
	case Answer:
		op, target, asker = arp.OperationReply, c.Asker, c.to(everyone)
		if !target.IsValid() {
			target = c.Address
		}
	case Probe:
		sender = netip.IPv4Unspecified()
	}
	p, err := arp.NewPacket(op, c.MAC, sender, asker, target)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", c.Address, err)
	}
	payload, err := p.MarshalBinary()
	return append(ethernet(c.to(everyone), c.MAC, unix.ETH_P_ARP), payload...), err
}

func (c Claim) ndp() ([]byte, error) {
	source, destination := c.Address, allNodes
	var message ndp.Message = &ndp.NeighborAdvertisement{
		Solicited: c.Kind == Answer && c.Asker.IsValid(), Override: true, TargetAddress: c.Address,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: c.MAC}},
	}
	switch {
	case c.Kind == Probe:
		group, err := ndp.SolicitedNodeMulticast(c.Address)
		if err != nil {
			return nil, err
		}
		source, destination = netip.IPv6Unspecified(), group
		message = &ndp.NeighborSolicitation{TargetAddress: c.Address}
	case c.Asker.IsValid():
		destination = c.Asker
	}
	body, err := ndp.MarshalMessageChecksum(message, source, destination)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", c.Address, err)
	}
	group := append(net.HardwareAddr{0x33, 0x33}, destination.AsSlice()[12:]...)
	frame := ethernet(c.to(group), c.MAC, unix.ETH_P_IPV6)
	frame = append(frame, 0x60, 0, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(body)))
	frame = append(frame, unix.IPPROTO_ICMPV6, 255)
	frame = append(append(frame, source.AsSlice()...), destination.AsSlice()...)
	return append(frame, body...), nil
}

func (c Claim) to(otherwise net.HardwareAddr) net.HardwareAddr {
	if c.To != nil {
		return c.To
	}
	return otherwise
}

// ethernet is the head of a frame.
func ethernet(to, from net.HardwareAddr, kind uint16) []byte {
	return binary.BigEndian.AppendUint16(append(append(make([]byte, 0, 128), to...), from...), kind)
}

// Repeated yields a frame so many times; 0 is without end.
func Repeated(frame []byte, times int) iter.Seq[[]byte] {
	return Recording{{Octets: frame}}.Around(times)
}

// Responder answers whoever asks for an address, as if it were at a hardware address.
type Responder struct {
	stop context.CancelFunc
	run  sync.WaitGroup

	mu      sync.Mutex
	answers int
}

// Respond begins to answer from the card, in the name of mac.
func (c *Card) Respond(address netip.Addr, mac net.HardwareAddr) (*Responder, error) {
	fd, err := c.listener()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Responder{stop: stop}
	r.run.Go(func() {
		hear(ctx, fd, func(frame []byte) {
			answer, asked := answerTo(frame, address, mac)
			if asked && c.Send(ctx, 0, Repeated(answer, 1)) == 1 {
				r.mu.Lock()
				r.answers++
				r.mu.Unlock()
			}
		})
	})
	return r, nil
}

// Answers is how many were given so far.
func (r *Responder) Answers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answers
}

// Stop ends the answers.
func (r *Responder) Stop() {
	r.stop()
	r.run.Wait()
}

// answerTo is the answer to a frame that asks for the address.
func answerTo(frame []byte, address netip.Addr, mac net.HardwareAddr) (answer []byte, asked bool) {
	asker, by, asked := asks(frame, address)
	if !asked {
		return nil, false
	}
	answer, err := Claim{Kind: Answer, Address: address, MAC: mac, To: by, Asker: asker}.Frame()
	return answer, err == nil
}

// asks says whether a frame asks for the address, and who does.
func asks(frame []byte, address netip.Addr) (asker netip.Addr, by net.HardwareAddr, ok bool) {
	if len(frame) < ethernetSize {
		return asker, nil, false
	}
	by = append(net.HardwareAddr(nil), frame[6:12]...)
	packet := frame[ethernetSize:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_ARP:
		var p arp.Packet
		if p.UnmarshalBinary(packet) != nil || p.Operation != arp.OperationRequest {
			return asker, nil, false
		}
		return p.SenderIP, by, p.TargetIP == address && p.SenderIP != address
	case unix.ETH_P_IPV6:
		if len(packet) < ipv6Size || packet[6] != unix.IPPROTO_ICMPV6 {
			return asker, nil, false
		}
		message, err := ndp.ParseMessage(packet[ipv6Size:])
		ask, is := message.(*ndp.NeighborSolicitation)
		if err != nil || !is || ask.TargetAddress != address {
			return asker, nil, false
		}
		if asker = netip.AddrFrom16([16]byte(packet[8:])); asker.IsUnspecified() {
			asker = netip.Addr{} // a probe is answered to all
			by = nil
		}
		return asker, by, true
	}
	return asker, nil, false
}
