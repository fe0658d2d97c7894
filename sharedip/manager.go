package sharedip

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"vipd/sharedip/announce"
	"vipd/sharedip/neighbor"
	"vipd/sharedip/rtnl"
)

// Address is one shared address as it is configured.
type Address struct {
	Prefix    netip.Prefix // its length is not used: the address is added alone
	Interface string       // "" = the one that is on its network
}

// Same reports whether both are one address: a link-local one is another on each
// interface.
func (a Address) Same(b Address) bool {
	addr := a.Prefix.Addr()
	return addr == b.Prefix.Addr() && (!addr.IsLinkLocalUnicast() || a.Interface == b.Interface)
}

// Set is the addresses of one token, held together or not at all.
type Set struct {
	Token     string
	Addresses []Address
	// Prove is neighbours that are to show, beside the gateway, that they know
	// where the addresses are. At most maxProvers of a family are asked.
	Prove []netip.Addr
}

// Options is what the manager need to know.
type Options struct {
	// Own is this node's own addresses.
	Own []netip.Addr
	// Peers is the other nodes' own addresses on the networks of the shared ones:
	// by them their hardware addresses are known. At most maxPeers are looked at.
	// Without any, no claim is defended, since it might be another node's.
	Peers []netip.Addr
	// Lifetime is how long an address lives in the kernel without Renew: whole
	// seconds up to MaxLifetime, 0 for MinLifetime.
	Lifetime time.Duration
	// Owns is asked before each repeated announcement, defence and proof. It must
	// not wait.
	Owns func(token string, epoch uint64) bool
	// Guard is called before addresses are put on, also by Configure and when they are
	// put back, with the interfaces by which the kernel would answer for them. An error
	// keeps them off. It must not call the manager. nil: nobody needs to know.
	Guard func(token string, spots []Spot, interfaces []int) error
	// Event is told what happened, from the goroutines of Run and Take. It must
	// not wait.
	Event func(Event)
}

// AddressManager hold shared addresses in one network namespace.
type AddressManager struct {
	options       Options
	watch         *rtnl.Conn            // addresses and links as they change; read by Run
	sender        *neighbor.Sender      // announcements and questions
	frameReader   *neighbor.FrameReader // what others say of the shared addresses; read by Run
	trafficReader *neighbor.FrameReader // any foreign frame at all; read by Run
	groups        *neighbor.Groups      // solicited-node groups
	forAll        *rtnl.AllSettings     // that hold for every interface
	wake          chan struct{}
	checkCarriers chan struct{}
	carriersSeen  carriersSeen
	snapshot      atomic.Pointer[snapshot]
	taking        atomic.Int32 // takes under way or waiting
	counters      struct{ putBack, announced, postponed, resyncs, foreign, unjoined, asked, defended, seen atomic.Uint64 }

	// mu guards all below. Nothing but the kernel's answer to a request is ever
	// waited for while it is held, so no token waits for another's trouble.
	mu               sync.Mutex
	kernel           *rtnl.Conn
	tokens           map[string]*token
	owners           map[Spot]owner
	standingTold     map[string][]Spot   // as told last
	routes           map[rtnl.Route]bool // that are there for held addresses, or were left
	seen             *rtnl.Host          // nil: look again
	watching         bool                // Run is here to say when seen is out of date
	states           map[string]rtnl.LinkState
	settingsSeen     map[string]rtnl.Settings // of those, as told last; "": those of all
	outgoing         map[netip.Prefix]int
	limits           announce.Limits
	nodes            nodes
	unresolvedClaims []unresolvedClaim
	listened         map[netip.Addr]bool // neighbours whose answers pass the sniffer
	untuned          bool                // the sniffer's filter is out of date
	tuned            time.Time
	traffic          map[int]*linkTraffic // by interface
	open             []int                // interfaces that the ears let pass
}

// token is one configured Set and whether it is held.
type token struct {
	name   string
	epoch  uint64
	held   bool
	fought bool
	until  time.Time // when the kernel takes the addresses away, unless renewed
	places []*place
	prove  []netip.Addr
	wishes *wishes
	said   recent // Answered, since the Ask of that number
	asked  uint64
	alarms recent // Claimed
	probed recent // PeerAsks
}

// place is one address of a token where it is, or would be, and what is to be sent for it.
type place struct {
	placement
	label     string // of an IPv4 address on that interface
	announcer announce.Announcer
	failing   bool        // AnnounceFailed has been told
	gone      bool        // with its interface, which is not back yet
	removals  []time.Time // by others, within fightTime
}

func (p *place) change() rtnl.Change {
	return rtnl.Change{Index: p.index, Prefix: single(p.Prefix.Addr()), Label: p.label}
}

// owner is where a shared address belongs.
type owner struct {
	token *token
	place *place
}

// single is the prefix that holds addr alone.
func single(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }

// Open opens every socket in the network namespace of the calling thread. It
// needs CAP_NET_ADMIN and CAP_NET_RAW.
func Open(options Options) (*AddressManager, error) {
	if options.Owns == nil || options.Event == nil {
		return nil, errors.New("shared addresses: Owns and Event must be set")
	}
	if options.Lifetime == 0 {
		options.Lifetime = MinLifetime
	}
	if l := options.Lifetime; l < MinLifetime || l > MaxLifetime || l%time.Second != 0 {
		return nil, fmt.Errorf("shared addresses: a lifetime of %v; it must be whole seconds from %v to %v", l, MinLifetime, MaxLifetime)
	}
	h := &AddressManager{
		options:       options,
		wake:          make(chan struct{}, 1),
		checkCarriers: make(chan struct{}, 1),
		tokens:        make(map[string]*token),
		states:        make(map[string]rtnl.LinkState),
		settingsSeen:  make(map[string]rtnl.Settings),
		nodes:         newNodes(options.Peers),
		traffic:       make(map[int]*linkTraffic),
		listened:      make(map[netip.Addr]bool),
	}
	for _, open := range []func() error{
		func() (err error) { h.kernel, err = rtnl.Dial(0); return },
		func() (err error) { h.watch, err = rtnl.Dial(rtnl.NoticeGroups); return },
		func() (err error) { h.sender, err = neighbor.OpenSender(); return },
		func() (err error) { h.frameReader, err = neighbor.OpenFrameReader(); return },
		func() (err error) { h.trafficReader, err = neighbor.OpenFrameReader(); return },
		func() (err error) { h.groups, err = neighbor.OpenGroups(); return },
		func() (err error) { h.forAll, err = rtnl.OpenAllSettings(); return },
		func() (err error) { h.routes, err = rtnl.ListRoutes(); return },
	} {
		if err := open(); err != nil {
			h.Close()
			return nil, fmt.Errorf("shared addresses: %w", err)
		}
	}
	return h, nil
}

// Close closes the sockets. Held addresses stay until their lifetime ends, for
// a successor to adopt. Run must have returned.
func (h *AddressManager) Close() {
	for _, c := range []*rtnl.Conn{h.kernel, h.watch} {
		if c != nil {
			c.Close()
		}
	}
	for _, t := range []*neighbor.FrameReader{h.frameReader, h.trafficReader} {
		if t != nil {
			t.Close()
		}
	}
	if h.sender != nil {
		h.sender.Close()
	}
	if h.groups != nil {
		h.groups.Close()
	}
	if h.forAll != nil {
		h.forAll.Close()
	}
}

// currentHost returns what is known of the host, by asking the kernel if need be.
func (h *AddressManager) currentHost() (*rtnl.Host, error) {
	if h.seen != nil && h.watching {
		return h.seen, nil
	}
	v, err := h.readHost()
	if err == nil {
		h.seen = v
		h.publish(v)
	}
	return v, err
}

// readHost asks the kernel.
func (h *AddressManager) readHost() (*rtnl.Host, error) {
	v, err := h.kernel.ReadHost()
	if err == nil {
		v.All, err = h.forAll.Read()
		for s := range h.owners {
			if s.Addr.IsLinkLocalUnicast() {
				v.LinkLocal = append(v.LinkLocal, s.Addr)
			}
		}
	}
	return v, err
}

// Counters is what was done since Open.
type Counters struct {
	PutBack   uint64 // addresses put back after someone else removed them
	Announced uint64 // announcement frames sent
	Postponed uint64 // announcements that a rate or a full queue held back
	Resyncs   uint64 // times that the kernel's news overran us
	Foreign   uint64 // netlink messages that were not the kernel's
	Unjoined  uint64 // failed attempts to join a solicited-node group beforehand
	Asked     uint64 // probes for shared addresses, and questions that prove them
	Defended  uint64 // announcements against a foreign claimant
	Seen      uint64 // frames about our addresses that were read
}

// Counters returns the counts so far.
func (h *AddressManager) Counters() Counters {
	c := &h.counters
	return Counters{
		PutBack: c.putBack.Load(), Announced: c.announced.Load(), Postponed: c.postponed.Load(),
		Resyncs: c.resyncs.Load(), Foreign: c.foreign.Load(), Unjoined: c.unjoined.Load(),
		Asked: c.asked.Load(), Defended: c.defended.Load(), Seen: c.seen.Load(),
	}
}
