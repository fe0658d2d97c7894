package config

import (
	"net/netip"
	"time"

	"vipd/host/child"
)

// What a file may ask for. A value beyond a bound is refused with the bound in the reason.
const (
	MaxNodes       = 32    // as many as a heartbeat can name
	MaxPaths       = 8     // addresses of one node
	MaxTokens      = 1000  // vips and groups count one each
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

	MaxGroups        = 256
	MaxUnits         = 16 // of one group
	MaxChecks        = 16 // of one group
	MaxNamed         = 16 // groups in one after, with or requires
	MaxAttempts      = 100
	MinWithin        = time.Second
	MaxWithin        = 24 * time.Hour
	MinStopTimeout   = 100 * time.Millisecond
	MaxStopTimeout   = 10 * time.Minute
	MinCheckInterval = 10 * time.Millisecond // and timeout
	MaxCheckInterval = time.Hour             // and timeout
	MaxCheckTimeout  = time.Minute           // of a check that is made
	TimeoutIntervals = 10                    // a check's timeout is at most so many of its intervals
	MaxStartGrace    = time.Hour             // a large database replays its log that long
	MaxInARow        = 100                   // results of a check
)

// Defaults of keys that a file leaves out; packaging/vipd.toml shows each.
const (
	DefaultPriority    = 100
	DefaultPerHour     = 10
	DefaultHookTimeout = 10 * time.Second
	DefaultStartWait   = 35 * time.Second // site power-up and spanning tree
	DefaultPort        = 7000
	DefaultTTL         = 1

	DefaultGroupDelay    = 30 * time.Second // before a group, or a vip that requires one, goes back: the services warm up
	DefaultAttempts      = 2
	DefaultWithin        = time.Minute
	DefaultStopTimeout   = 10 * time.Second
	DefaultCheckInterval = time.Second
	DefaultCheckTimeout  = time.Second
	DefaultStartGrace    = 10 * time.Second
	DefaultRise          = 2
	DefaultFall          = 3
)

// The kinds of a group. They name the defaults and the words of the log; a plain one is of no kind.
const (
	Dataserver = "dataserver"
	Historian  = "historian"
	RTDB       = "rtdb"
	Plain      = "plain"
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
	KeyFile   string  // absolute
	Nodes     []Node  // by name, 1..MaxNodes
	VIPs      []VIP   // by name
	Groups    []Group // by name
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

// brings is the priority of n for a token that gives some nodes another one.
func (n Node) brings(given map[string]int) int {
	if p, ok := given[n.Name]; ok {
		return p
	}
	return n.Priority
}

// VIP is an address, or a set of them, that moves as one.
type VIP struct {
	Name string
	// Addresses carry the length of the connected network that finds the interface; a full length (/32, /128)
	// leaves it open: then it is the interface whose connected network contains the address.
	Addresses          []netip.Prefix
	Interface          map[string]string // node name -> interface; a node that is absent finds it by the address
	Requires           []string          // groups without which a node does not hold it
	AutoFailback       bool
	FailbackDelay      time.Duration
	FailbackMaxPerHour int // 0: no limit
	DisableInheritance bool
	AllowMultiple      bool
	Priorities         map[string]int // node name -> priority for this vip alone
	Prove              []netip.Addr   // neighbours that are asked from the address after a take
	OnActive           []Hook
	OnStandby          []Hook
	Rights             child.Rights  // of each command
	HookTimeout        time.Duration // of each command
}

// Token is the name under which nodes agree who holds v.
func (v VIP) Token() string { return "vip:" + v.Name }

// Priority is what n brings to v: its own, or the one v gives it.
func (v VIP) Priority(n Node) int { return n.brings(v.Priorities) }

// Group is what runs as one: services that are started and stopped together.
type Group struct {
	Name        string
	Kind        string   // Dataserver, Historian, RTDB or Plain
	Units       []string // in the order of the start, each NAME.service or exec:/path
	Both        bool     // every fit node runs it; one node when false
	Checks      []Check
	Rights      child.Rights // of units and checks that are commands
	After       []string     // groups that start first
	With        []string     // groups on whose node it runs; each has Both = false
	Restart     Allowance
	StopTimeout time.Duration // of each unit; then it is killed
	StartGrace  time.Duration // from the start, in which a failing check means nothing

	// Where a group runs that one node holds; zero with Both.
	Priorities         map[string]int // node name -> priority for this group alone
	AutoFailback       bool
	FailbackDelay      time.Duration
	FailbackMaxPerHour int // 0: no limit
	DisableInheritance bool
}

// Token is the name under which nodes agree who runs g.
func (g Group) Token() string { return "group:" + g.Name }

// Priority is what n brings to g: its own, or the one g gives it.
func (g Group) Priority(n Node) int { return n.brings(g.Priorities) }

// Check asks again and again whether a group works.
type Check struct {
	Target     string        // tcp://address:port, http://… and what to expect, https://…, exec:/path or unit:NAME.service
	Interval   time.Duration // from one question to the next
	Timeout    time.Duration // no answer by then is a failure
	Rise, Fall int           // successes in a row that make it healthy, failures that make it sick; at least 1
}

// Allowance is how often a group is started again where it runs before it is given up: Attempts within a time.
type Allowance struct {
	Attempts int // 0: at the first failure
	Within   time.Duration
}

// Hook is a command that runs without a shell.
type Hook struct {
	Argv   []string     // the first is an absolute path
	Rights child.Rights // those of the vip
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
