package control

import "time"

// pair is a two-node cluster as hist-a sees it, with every field filled and
// everything once that can be unknown.
func pair() Status {
	at := time.Date(2026, 11, 21, 21, 4, 40, 120e6, time.UTC)
	f := func(v float64) *float64 { return &v }
	return Status{
		Node: "hist-a", Cluster: "plant1", Version: "1.0.0", WireVersion: 1, ConfigDigest: "3f2a91c0",
		Started: at.Add(-76 * time.Hour), PID: 812, LeaseLayer: "valid_lft", AsOf: at,
		Nodes: []NodeStatus{
			{
				Name: "hist-a", Self: true, ID: 1, State: NodeUp, Priority: 200, Version: "1.0.0", ConfigDigest: "3f2a91c0",
				Clock: ClockStatus{OffsetMS: f(0), ErrorBoundMS: f(0), Verdict: ClockWithin, Synchronised: new(true)},
			},
			{
				Name: "hist-b", ID: 2, State: NodeUp, Priority: 100, HeardAgeMS: f(24.5), Link: "fresh", Version: "1.0.0", ConfigDigest: "3f2a91c0",
				Paths: []PathStatus{
					{Local: "192.0.2.11", Remote: "192.0.2.12", Up: true, LossRatio: 0.008, RoundTripMS: f(0.3), HeardAgeMS: f(24.5)},
					{Local: "198.51.100.1", Remote: "198.51.100.2", Up: false, LossRatio: 1},
				},
				Clock: ClockStatus{OffsetMS: f(3.1), ErrorBoundMS: f(0.2), Verdict: ClockWithin},
			},
		},
		Tokens: []TokenStatus{{
			Name: "vip:front", Kind: "vip", State: "active", Holder: "hist-a", Holders: []string{"hist-a"},
			Epoch: 17<<8 | 1, Since: at.Add(-75 * time.Hour), SinceMS: f(75 * 3600e3), Addresses: []string{"192.0.2.10"},
			Eligible: []Eligibility{
				{Node: "hist-a", Fit: true, Priority: 200},
				{Node: "hist-b", Fit: false, Priority: 100, Reasons: []string{"link down"}},
			},
			Bits: Bits{AutoFailback: true}, PinnedTo: "hist-a", MovesLastHour: 1,
		}},
		Groups: []GroupStatus{
			{
				Name: "dataserver", Kind: "dataserver", Token: "group:dataserver", Run: "all", State: GroupRunning, Epoch: 16<<8 | 1,
				Text: "mosquitto.service: exited with status 1", Restarts: 1, Contained: "systemd",
				Units:  []UnitStatus{{Name: "mosquitto.service", State: GroupRunning}},
				Checks: []CheckStatus{{Name: "tcp://127.0.0.1:1883", Healthy: true, InARow: 212, Text: "connected"}},
			},
			{
				Name: "historian", Kind: "historian", Token: "group:historian", Run: "one", State: GroupStopped, Contained: "cgroup lease",
				Units: []UnitStatus{{Name: "exec:/opt/historian/writer", State: GroupStopped}},
			},
		},
		Dropped: map[string]uint64{"replayed": 2, "unsealed": 40},
		Alarms:  []string{"hist-b is not fit for vip:front: link down"},
	}
}
