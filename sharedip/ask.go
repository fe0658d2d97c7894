package sharedip

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"
	"vipd/sharedip/rtnl"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
)

// Ask asks who has the token, by one address of each family on each of its
// interfaces, and returns the time just before: the addresses of a token are on one
// host together, and questions go to everybody on the LAN. The addresses take turns.
// Answers are events; answers of an earlier Ask may still come after it. It asks for
// what is held here, too: other holders answer. It does not wait.
//
// An error says that at least one question could not be sent: silence after it
// means nothing.
func (h *Hands) Ask(name string) (time.Time, error) {
	o, p, err := h.prospect(name)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for %w", err)
	}
	turn := p.wishes.asks.Add(1)
	asked := time.Now()
	var errs []error
	for _, s := range p.sample(turn) {
		errs = append(errs, h.probe(o.view, s))
	}
	return asked, errors.Join(errs...)
}

// sample returns one spot of each family on each interface, each turn the next.
func (p *prospect) sample(turn uint64) (sample []spot) {
	first := int(turn % uint64(max(len(p.spots), 1)))
	for _, part := range [][]spot{p.spots[first:], p.spots[:first]} {
		for _, s := range part {
			if !slices.ContainsFunc(sample, s.beside) {
				sample = append(sample, s)
			}
		}
	}
	return sample
}

// beside reports whether both are of one family and on one interface.
func (s spot) beside(other spot) bool {
	return s.index == other.index && s.Prefix.Addr().Is4() == other.Prefix.Addr().Is4()
}

// probe asks for one shared address where it is, or would be.
func (h *Hands) probe(v *rtnl.Host, s spot) error {
	l, ok := v.LinkByIndex(s.index)
	if !ok {
		return fmt.Errorf("ask for %s: no interface is known for it", s.Prefix.Addr())
	}
	if !l.Carrier {
		return fmt.Errorf("ask for %s: %s has no carrier", s.Prefix.Addr(), l.Name)
	}
	f, err := probe(l, probeSource(v, l.Index, h.options.Own), s.Prefix.Addr())
	if err == nil {
		err = h.wire.send(l.Index, f)
	}
	if err != nil {
		return fmt.Errorf("ask for %s on %s: %w", s.Prefix.Addr(), l.Name, err)
	}
	h.counters.asked.Add(1)
	return nil
}

// probe makes the frame that asks who has addr and leaves no trace of addr in
// anybody's cache. For IPv4 it is the ARP Probe of RFC 5227 section 2.1.1, whose
// sender is 0.
//
// For IPv6 it is a solicitation from source, a link-local address. Its answer
// comes to us alone. The form of duplicate address detection, from no address,
// must be answered to all nodes with Override set (RFC 4861 section 7.2.4), so
// each question would make the holder announce itself anew, and undo what another
// has announced meanwhile; a node that is about to take the address would fail. It
// is used only where there is no source, and may then bear no hardware address
// (section 4.3). A nonce marks the probe, so that it isn't taken for the question
// of a mere client; receivers skip it (RFC 3971 section 5.3.2).
func probe(l rtnl.Link, source, addr netip.Addr) (frame, error) {
	if addr.Is4() {
		return arpFrame(arp.OperationRequest, l.MAC, netip.IPv4Unspecified(), make(net.HardwareAddr, 6), addr)
	}
	nonce := make([]byte, 6)
	for i := range nonce {
		nonce[i] = byte(rand.Uint32())
	}
	return solicit(l, source, addr, &ndp.RawOption{Type: nonceOption, Length: 1, Value: nonce})
}

// question makes the frame by which source asks for addr, and by which whoever is
// asked learns where source is (RFC 826, RFC 4861 section 7.2.3).
func question(l rtnl.Link, source, addr netip.Addr) (frame, error) {
	if addr.Is4() {
		return arpFrame(arp.OperationRequest, l.MAC, source, make(net.HardwareAddr, 6), addr)
	}
	return solicit(l, source, addr)
}

func solicit(l rtnl.Link, source, addr netip.Addr, options ...ndp.Option) (frame, error) {
	group, err := ndp.SolicitedNodeMulticast(addr)
	if err != nil {
		return frame{}, fmt.Errorf("make a neighbor solicitation for %s: %w", addr, err)
	}
	if !source.IsUnspecified() {
		options = slices.Concat([]ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: l.MAC}}, options)
	}
	return ndpFrame(&ndp.NeighborSolicitation{TargetAddress: addr, Options: options}, source, group)
}

// probeSource is where IPv6 probes come from: the interface's link-local address,
// else one of the node's own there, else none.
func probeSource(v *rtnl.Host, index int, own []netip.Addr) netip.Addr {
	source := netip.IPv6Unspecified()
	for _, a := range v.Addresses {
		addr := a.Prefix.Addr()
		switch {
		case a.Index != index || addr.Is4():
		case addr.IsLinkLocalUnicast() && !slices.Contains(v.LinkLocal, addr):
			return addr
		case slices.Contains(own, addr):
			source = addr
		}
	}
	return source
}
