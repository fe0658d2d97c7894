package config

import (
	"net/netip"
	"time"
)

// What a file may ask for. A value beyond a bound is refused with the bound in the reason.
const (
	MaxNodes       = 32    // as many as a heartbeat can name
	MaxPaths       = 8     // addresses of one node
	MaxTokens      = 1000  // shared addresses count one each
	MaxAddresses   = 64    // of one vip
	MaxProve       = 8     // neighbours asked after a take
	MaxHooks       = 16    // commands of one list
	MaxPriority    = 65535 // 16 bits of a claim
	MaxTolerance   = 100   // intervals
	MaxPerHour     = 3600  // failbacks: one a second is no limit any more
	MaxInterval    = 10 * time.Second
	MinInterval    = time.Millisecond
	MinTolerance   = 2 // one lost datagram must not be a death
	MaxDelay       = 24 * time.Hour
	MaxHookTimeout = 10 * time.Minute
	MaxStartWait   = 10 * time.Minute
)

// Defaults of keys that a file leaves out; packaging/vipd.toml shows each.
const (
	DefaultPriority    = 100
	DefaultPerHour     = 10
	DefaultHookTimeout = 10 * time.Second
	DefaultStartWait   = 35 * time.Second // site power-up and spanning tree
	DefaultPort        = 7000
	DefaultTTL         = 1
)

var (
	// DefaultGroup4 lies in the organisation-local scope of RFC 2365.
	DefaultGroup4 = netip.AddrFrom4([4]byte{239, 192, 77, 1})
	// Group6 is the group of every IPv6 path: transient, site-local scope (RFC 4291 section 2.7), ending in "vipd".
	Group6 = netip.MustParseAddr("ff15::7669:7064")
)

// Settings is a checked configuration: whatever it holds is within bounds and consistent.
type Settings struct {
	Cluster   string
	KeyFile   string // absolute
	Nodes     []Node // by name, 1..MaxNodes
	VIPs      []VIP  // by name
	Heartbeat Heartbeat
	Multicast Multicast
	StartWait time.Duration // how long a start waits for any foreign frame before it claims alone; at least Dead
	Warnings  []Problem     // what is valid but hardly meant, by position
}

// Node is a host of the cluster.
type Node struct {
	Name      string
	Slot      uint8        // 1..255, unique; the low byte of an epoch
	Addresses []netip.Addr // one per path, in the order of the paths; the same family on every node
	Priority  int          // 0..MaxPriority, higher wins
}

// VIP is an address, or a set of them, that moves as one.
type VIP struct {
	Name string
	// Addresses carry the length of the connected network that finds the interface; a full length (/32, /128)
	// leaves it open: then it is the interface whose connected network contains the address.
	Addresses          []netip.Prefix
	Interface          map[string]string // node name -> interface; a node that is absent finds it by the address
	AutoFailback       bool
	FailbackDelay      time.Duration
	FailbackMaxPerHour int // 0: no limit
	DisableInheritance bool
	AllowMultiple      bool
	Priorities         map[string]int // node name -> priority for this vip alone
	Prove              []netip.Addr   // neighbours that are asked from the address after a take
	OnActive           []Hook
	OnStandby          []Hook
	HookTimeout        time.Duration // of each command
}

// Token is the name under which nodes agree who holds v.
func (v VIP) Token() string { return "vip:" + v.Name }

// Priority is what n brings to v: its own, or the one v gives it.
func (v VIP) Priority(n Node) int {
	if p, ok := v.Priorities[n.Name]; ok {
		return p
	}
	return n.Priority
}

// Hook is a command that runs without a shell.
type Hook struct {
	Argv []string // the first is an absolute path
}

// Heartbeat says how often nodes beat and when silence is death.
type Heartbeat struct {
	Profile   string // the profile named by the file; Interval and Tolerance already include it
	Interval  time.Duration
	Tolerance int // intervals of silence
}

// Dead is the silence after which a peer counts as dead.
func (h Heartbeat) Dead() time.Duration { return time.Duration(h.Tolerance) * h.Interval }

// Multicast says where beats go besides each peer's own address.
type Multicast struct {
	Group4 netip.Addr
	Group6 netip.Addr
	Port   uint16
	TTL    int // hops, 1..255
}

// Node finds a node by its name.
func (s Settings) Node(name string) (Node, bool) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}
