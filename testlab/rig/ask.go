package rig

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// asker writes the frames that ask for an address and reads those that tell of it.
type asker interface {
	// frame is one ask, marked with the time of its sending, and where it goes.
	frame(sent time.Duration) (frame []byte, to net.HardwareAddr, err error)
	// read says what a frame tells of the address, false when nothing.
	read(frame []byte) (sighting, bool)
}

// asker returns the one for the address's family, asking in the port's own name.
func (p *Port) asker(address netip.Addr) (asker, error) {
	for _, own := range p.home {
		switch {
		case own.Addr().Is4() != address.Is4():
		case address.Is4():
			return &arpAsker{mac: p.mac, own: own.Addr(), address: address}, nil
		default:
			return &ndpAsker{mac: p.mac, own: own.Addr(), address: address}, nil
		}
	}
	return nil, fmt.Errorf("the port has no address of the family of %s", address)
}

// arpAsker asks by ARP (RFC 826). The mark is in the request's target hardware address,
// which is what is asked for and so means nothing.
type arpAsker struct {
	mac          net.HardwareAddr
	own, address netip.Addr
}

func (a *arpAsker) frame(sent time.Duration) ([]byte, net.HardwareAddr, error) {
	request, err := arp.NewPacket(arp.OperationRequest, a.mac, a.own, mark(sent), a.address)
	if err != nil {
		return nil, nil, err
	}
	payload, err := request.MarshalBinary()
	if err != nil {
		return nil, nil, err
	}
	return wrap(broadcast, a.mac, unix.ETH_P_ARP, payload), broadcast, nil
}

func (a *arpAsker) read(frame []byte) (sighting, bool) {
	_, payload, ok := unwrap(frame, unix.ETH_P_ARP)
	var p arp.Packet
	if !ok || p.UnmarshalBinary(payload) != nil {
		return sighting{}, false
	}
	switch {
	case p.Operation == arp.OperationRequest && p.TargetIP == a.address && bytes.Equal(p.SenderHardwareAddr, a.mac):
		return sighting{kind: sawAsk, asked: readMark(p.TargetHardwareAddr)}, true
	case p.SenderIP != a.address:
		return sighting{}, false
	case p.TargetIP == a.address:
		return sighting{kind: sawAnnouncement, mac: p.SenderHardwareAddr}, true
	case p.Operation == arp.OperationReply && p.TargetIP == a.own:
		return sighting{kind: sawAnswer, mac: p.SenderHardwareAddr}, true
	}
	return sighting{}, false
}

// ndpAsker asks by neighbour solicitation (RFC 4861, 4.3). The mark is in an option of
// a number for experiments (RFC 4727), which receivers skip.
type ndpAsker struct {
	mac          net.HardwareAddr
	own, address netip.Addr
}

const markOption = 253

func (a *ndpAsker) frame(sent time.Duration) ([]byte, net.HardwareAddr, error) {
	group, err := ndp.SolicitedNodeMulticast(a.address)
	if err != nil {
		return nil, nil, err
	}
	message, err := ndp.MarshalMessageChecksum(&ndp.NeighborSolicitation{
		TargetAddress: a.address,
		Options: []ndp.Option{
			&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: a.mac},
			&ndp.RawOption{Type: markOption, Length: 1, Value: mark(sent)},
		},
	}, a.own, group)
	if err != nil {
		return nil, nil, err
	}
	last := group.As16()
	to := net.HardwareAddr{0x33, 0x33, last[12], last[13], last[14], last[15]}
	return wrap(to, a.mac, unix.ETH_P_IPV6, append(ipv6Header(a.own, group, len(message)), message...)), to, nil
}

func (a *ndpAsker) read(frame []byte) (sighting, bool) {
	source, payload, ok := unwrap(frame, unix.ETH_P_IPV6)
	if !ok {
		return sighting{}, false
	}
	header, err := ipv6.ParseHeader(payload)
	if err != nil || header.NextHeader != unix.IPPROTO_ICMPV6 {
		return sighting{}, false
	}
	message, err := ndp.ParseMessage(payload[ipv6.HeaderLen:])
	if err != nil {
		return sighting{}, false
	}
	switch m := message.(type) {
	case *ndp.NeighborSolicitation:
		if m.TargetAddress == a.address && bytes.Equal(source, a.mac) {
			return sighting{kind: sawAsk, asked: optionMark(m.Options)}, true
		}
	case *ndp.NeighborAdvertisement:
		if m.TargetAddress != a.address {
			return sighting{}, false
		}
		if m.Solicited {
			return sighting{kind: sawAnswer, mac: source}, true
		}
		return sighting{kind: sawAnnouncement, mac: source}, true
	}
	return sighting{}, false
}

func optionMark(options []ndp.Option) time.Duration {
	for _, o := range options {
		if raw, ok := o.(*ndp.RawOption); ok && raw.Type == markOption {
			return readMark(raw.Value)
		}
	}
	return 0
}

// mark is a duration in microseconds in the six bytes of a hardware address.
func mark(d time.Duration) net.HardwareAddr {
	return binary.BigEndian.AppendUint64(nil, uint64(d/time.Microsecond))[2:]
}

func readMark(b []byte) time.Duration {
	wide := make([]byte, 8)
	copy(wide[2:], b)
	return time.Duration(binary.BigEndian.Uint64(wide)) * time.Microsecond
}

// broadcast is every card's hardware address besides its own.
var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// etherHeader is the length of an Ethernet II header: to, from, type.
const etherHeader = 14

func wrap(to, from net.HardwareAddr, kind uint16, payload []byte) []byte {
	frame := append(append([]byte(nil), to...), from...)
	return append(binary.BigEndian.AppendUint16(frame, kind), payload...)
}

// unwrap returns a frame's sender and payload, false if it is not of that kind.
func unwrap(frame []byte, kind uint16) (from net.HardwareAddr, payload []byte, ok bool) {
	if len(frame) < etherHeader || binary.BigEndian.Uint16(frame[12:]) != kind {
		return nil, nil, false
	}
	return net.HardwareAddr(frame[6:12]), frame[etherHeader:], true
}

// ipv6Header is the header of a neighbour discovery message: RFC 4861 wants hop limit 255.
func ipv6Header(from, to netip.Addr, length int) []byte {
	header := []byte{6 << 4, 0, 0, 0, 0, 0, unix.IPPROTO_ICMPV6, 255}
	binary.BigEndian.PutUint16(header[4:], uint16(length))
	header = append(header, from.AsSlice()...)
	return append(header, to.AsSlice()...)
}
