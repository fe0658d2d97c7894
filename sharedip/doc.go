// Package sharedip is the hands that hold shared addresses: it puts them on an
// interface, tells the LAN where they are now, keeps them there while their
// owner wants them, and takes them off again. IPv4 and IPv6 alike.
//
//	owner ── Take, Drop, Renew, Announce ──► Hands ── requests, in bursts ──► kernel
//	  ▲                                       │  ▲
//	  │                                       │  └── addresses, links (Run) ──┘
//	  └── Event ◄─────────────────────────────┤
//	  ◄── Owns? asked before each repeat ─────┤
//	                                          └── ARP, NA frames ──► the LAN
//
// An address is added as /32 or /128, deprecated and (IPv4) of link scope, so
// that the kernel never picks it as a source of its own accord. It carries a
// lifetime of three seconds: the kernel itself removes it when nobody calls
// Renew, even when this process is frozen or gone. Nothing here renews.
//
// The room never decides who owns an address. It doesn't look for other owners
// on the LAN, and runs no other program.
//
// Every socket is opened by Open on the calling thread and kept, so one process
// can hold the hands of many network namespaces, and none is needed later when
// file descriptors have run out or an interface has been made anew.
package sharedip
