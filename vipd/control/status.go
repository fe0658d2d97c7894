package control

import "time"

// Status is what one node knows at one moment. It is the answer of
// `vipd status --json`; docs/status.md documents each field. A number that is
// not known is null, never zero; a list that is empty is [], never null.
type Status struct {
	Node         string            `json:"node"`          // the node that answers
	Cluster      string            `json:"cluster"`       // its cluster
	Version      string            `json:"version"`       // of the program
	WireVersion  int               `json:"wire_version"`  // newest version of the wire it speaks
	ConfigDigest string            `json:"config_digest"` // hexadecimal; equal on nodes with equal files
	Started      time.Time         `json:"started"`       // of this process image; a restart changes it
	PID          int               `json:"pid"`           // a restart keeps it
	LeaseLayer   string            `json:"lease_layer"`   // dead-man layer in force: "valid_lft"
	AsOf         time.Time         `json:"as_of"`         // when the daemon's loop took these values
	Nodes        []NodeStatus      `json:"nodes"`         // this node first, then by name
	Tokens       []TokenStatus     `json:"tokens"`        // by name
	Groups       []GroupStatus     `json:"groups"`        // on this node, by name
	Dropped      map[string]uint64 `json:"dropped"`       // datagrams refused since the start, by reason
	Alarms       []string          `json:"alarms"`        // what an operator should look at now
}

// The states of a node.
const (
	NodeUp        = "up"
	NodeSilent    = "silent"
	NodeSuspended = "suspended"
	NodeStarting  = "starting"
	NodeStopping  = "stopping"
	NodeUnknown   = "unknown"
)

// NodeStatus is one node as the answering node sees it.
type NodeStatus struct {
	Name         string       `json:"name"`
	Self         bool         `json:"self"`          // the node that answers
	ID           uint8        `json:"id"`            // its place in the cluster, part of every epoch it grants
	State        string       `json:"state"`         // one of the Node… constants
	Priority     int          `json:"priority"`      // higher wins
	HeardAgeMS   *float64     `json:"heard_age_ms"`  // since its last heartbeat, ms; null for self and when never heard
	Link         string       `json:"link"`          // the way there and back: fresh, querying, pending or silent; "" for self
	Version      string       `json:"version"`       // of its program; "" until heard
	ConfigDigest string       `json:"config_digest"` // of its file; "" until heard
	Keys         []string     `json:"keys"`          // ids of the keys that it opens with, the one it seals with first; none until heard
	Paths        []PathStatus `json:"paths"`         // none for self
	Clock        ClockStatus  `json:"clock"`         // its clock against ours
}

// PathStatus is one network over which a peer is heard.
type PathStatus struct {
	Local       string   `json:"local"`         // our address
	Remote      string   `json:"remote"`        // the peer's address
	Up          bool     `json:"up"`            // heard both ways within the dead time
	LossRatio   float64  `json:"loss_ratio"`    // heartbeats missing, 0 to 1
	RoundTripMS *float64 `json:"round_trip_ms"` // ms
	HeardAgeMS  *float64 `json:"heard_age_ms"`  // since the last heartbeat on this path, ms
}

// The verdicts about a clock, against one second.
const (
	ClockWithin  = "within"
	ClockBeyond  = "beyond"
	ClockUnknown = "unknown"
)

// ClockStatus compares a peer's clock with ours.
type ClockStatus struct {
	OffsetMS     *float64 `json:"offset_ms"`      // its clock minus ours, ms
	ErrorBoundMS *float64 `json:"error_bound_ms"` // the offset is right within ± this, ms
	Verdict      string   `json:"verdict"`        // one of the Clock… constants
	Synchronised *bool    `json:"synchronised"`   // what its kernel says of its own clock
}

// TokenStatus is one token as the answering node sees it.
type TokenStatus struct {
	Name          string        `json:"name"`            // "vip:front"
	Kind          string        `json:"kind"`            // "vip" or "group"
	State         string        `json:"state"`           // this node's own: active, standby, taking, dropping, …
	Holder        string        `json:"holder"`          // "" when nobody holds it
	Holders       []string      `json:"holders"`         // more than one only as Note explains
	Note          string        `json:"note"`            // "2 holders (inherited)", or ""
	Epoch         uint64        `json:"epoch"`           // fencing number of the newest grant seen
	Since         time.Time     `json:"since,omitzero"`  // when the holder took it; absent when nobody holds it
	SinceMS       *float64      `json:"since_ms"`        // how long ago that was, by the monotonic clock, ms
	Addresses     []string      `json:"addresses"`       // the shared addresses it stands for
	Eligible      []Eligibility `json:"eligible"`        // one for each node
	Bits          Bits          `json:"bits"`            // in force
	PinnedTo      string        `json:"pinned_to"`       // an operator's move in force until `release`, or ""
	MovesLastHour int           `json:"moves_last_hour"` // changes of holder seen in the last hour
	Proved        []Proof       `json:"proved"`          // who knows where the addresses are, in this tenure of this node
}

// Proof is a neighbour that was seen to know where an address is.
type Proof struct {
	Address string    `json:"address"`
	By      string    `json:"by"`      // the neighbour's own address
	Epoch   uint64    `json:"epoch"`   // of the tenure
	At      time.Time `json:"at"`      // when its answer came
	TookMS  *float64  `json:"took_ms"` // after the address was announced, ms
}

// Eligibility says whether a node may hold a token, and if not, why.
type Eligibility struct {
	Node     string   `json:"node"`
	Fit      bool     `json:"fit"`
	Priority int      `json:"priority"`
	Reasons  []string `json:"reasons"` // against it
}

// Bits are the four switches of a token.
type Bits struct {
	AllowMultiple      bool `json:"allow_multiple"`
	AutoFailback       bool `json:"auto_failback"`
	DisableInheritance bool `json:"disable_inheritance"`
	ReleaseRequested   bool `json:"release_requested"`
}

// Milliseconds is d in ms with its fraction, the unit of every duration here.
func Milliseconds(d time.Duration) float64 {
	return float64(d) / float64(time.Millisecond)
}

// filled replaces nil by empty lists, so that a reader of the JSON never
// meets null where a list is promised. It leaves s itself as it is: the
// daemon may still share its slices.
func (s Status) filled() Status {
	s.Nodes = append([]NodeStatus{}, s.Nodes...)
	for i, n := range s.Nodes {
		s.Nodes[i].Paths = append([]PathStatus{}, n.Paths...)
		s.Nodes[i].Keys = append([]string{}, n.Keys...)
	}
	s.Tokens = append([]TokenStatus{}, s.Tokens...)
	for i, t := range s.Tokens {
		s.Tokens[i] = t.filled()
	}
	s.Groups = append([]GroupStatus{}, s.Groups...)
	for i, g := range s.Groups {
		s.Groups[i] = g.filled()
	}
	if s.Dropped == nil {
		s.Dropped = map[string]uint64{}
	}
	s.Alarms = append([]string{}, s.Alarms...)
	return s
}

func (t TokenStatus) filled() TokenStatus {
	t.Holders = append([]string{}, t.Holders...)
	t.Addresses = append([]string{}, t.Addresses...)
	t.Proved = append([]Proof{}, t.Proved...)
	t.Eligible = append([]Eligibility{}, t.Eligible...)
	for i, e := range t.Eligible {
		t.Eligible[i].Reasons = append([]string{}, e.Reasons...)
	}
	return t
}
