// Package lease is the kernel's dead-man switch: an address, or the traffic of
// a control group, that lives only until an instant which somebody has to move
// on. When nobody does, because the daemon was killed, frozen or is wedged, the
// kernel itself stops answering for the address, to the millisecond.
//
//	heartbeat thread ── Renew: one store ──► expiries, boot-time ns, mapped memory
//	                                            ▲ read for each packet of the address
//	      ┌──────────────── kernel ─────────────┴───────────────────────┐
//	 LAN ─┤► tc ingress: drop what is addressed to it, once expired     │
//	 LAN ◄┼─ tc egress:  drop what comes from it, once expired          │
//	 lo  ◄┼─ tc egress:  the same, for clients on this host             │
//	group ┤  cgroup_skb: drop all that a group sends or gets, likewise  │
//	      └─────────────────────────────────────────────────────────────┘
//
// Three layers do this, the best that the host allows is taken: BPF programs;
// nftables sets whose elements time out; none, where the lifetime that package
// sharedip gives to addresses is all there is.
//
// Only what is addressed to the address is dropped at ingress, only what comes
// from it at egress: a standby goes on asking for it and being its client.
//
// Why filters and not links: a tc filter belongs to the interface, so it
// outlives the process with nothing pinned, and exists since long before TCX
// (Linux 6.6). The filter holds program and maps; the next daemon finds them
// through it, or by a pin where it may not open programs by number. Programs
// are replaced in place over the same maps, so no packet passes between.
//
// The package never decides who holds an address or for how long. It adds no
// address, sends no packet, and starts no clock of its own but that of Watch.
package lease
