// Package node is one node's whole mind: the only place that joins the
// machines. Heartbeats tell it who is alive and what the others claim, tokens
// decide who holds what, and the node turns one into the other.
//
//	Received ─► heartbeat.Machine ─► Word ─► token.Machine ─► Acquire, Drop, Lease, …
//	                   ▲                          │
//	    echoes, claims └────────── Words ◄────────┘        (what the beat says next)
//
// It is pure: no clock, socket, goroutine, lock or log. Whoever owns it steps
// it with what happened and does, in order, what it answers.
package node
