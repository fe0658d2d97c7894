// Package token decides which node holds each token. A token stands for a thing that may
// be in one place only: a shared address, or a service group.
//
// It knows tokens, nodes, leases and epochs. It never sees an address, a socket, a clock or
// a log, and it does not know what a heartbeat is: package node turns messages into Reports
// and Claims into messages. Machine.Step takes an event at an instant and returns actions;
// it does nothing else.
//
//	       take               Up                 drop             Down
//	Idle ────────► Taking ────────► Holding ────────► Dropping ────────► Idle
//	  ▲               │ Failed          │ hard reason,     (the lease has ended
//	  │               └────────►────────┤ lease over,       before the effector
//	  └── released(epoch) is said ──────┘ given, yielded    starts removing)
//
// Invariants: an effector adds a resource only under a lease that is in force; the lease of
// a token ends before another node may take it; epochs are unique and grow.
//
// Between two nodes the second invariant rests on two numbers. A holder's lease ends L after
// the newest of its sends that the peer has echoed. The peer takes no earlier than
// D = 1.25 L after the newest send that it heard. lease.go and take.go are the two halves.
//
// docs/protocol.md explains the rules by number (H1, T4); each rule is named at the function
// that keeps it.
package token
