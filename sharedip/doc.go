// Package sharedip holds shared addresses: it puts them on an
// interface, tells the LAN where they are now, keeps them there while their
// owner wants them, and takes them off again. IPv4 and IPv6 alike.
//
//	owner ── Take, Drop, Renew, Announce ──► AddressManager ── rtnl ──► kernel
//	  │  └── Ask, Heard ────────────────────► │  ▲
//	  │                                       │  └── addresses, links (Run) ──┘
//	  ◄── Event ──────────────────────────────┤  ▲
//	  ◄── Owns? asked before each repeat ─────┤  └── what others say (Run) ──┐
//	                                          └── ARP, NDP frames ──► the LAN ┘
//
// An address is added as /32 or /128, deprecated and (IPv4) of link scope, so
// that the kernel never picks it as a source of its own accord. It carries a
// lifetime of some seconds: the kernel itself removes it when nobody calls
// Renew, even when this process is frozen or gone. Nothing here renews.
//
// The room never decides who owns an address. It asks the LAN for it (Ask) and
// tells what it is answered, tells of claimants, defends what is held against
// those that are no node's (RFC 5227 section 2.4), and shows that the neighbours
// know where the address is (Proved): what follows from that is the owner's to
// judge. It runs no other program and changes no setting of the kernel.
//
// With two cards on one LAN the kernel answers ARP requests for an address on
// either card, from both: the other card needs net.ipv4.conf.*.arp_ignore 1, which
// is for the administrator to set.
//
// Every socket is opened by Open on the calling thread and kept, so one process
// can hold the addresses of many network namespaces, and none is needed later when
// file descriptors have run out or an interface has been made anew.
package sharedip
