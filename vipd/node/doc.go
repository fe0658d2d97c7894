// Package node is the state machine of one node: the only place that joins the machines of
// heartbeats, tokens and services. It turns a peer's message into a token.Report, the claims
// of tokens into the next message, and the grant of a group's token into orders for its units.
//
//	Received ─► heartbeat.Machine ─► Report ─► token.Machine ─► Acquire, Drop, Lease, …
//	                   ▲                            │  ▲
//	    echoes, claims └───────── Payload ◄─────────┘  └─► services.Machine ─► Start, Stop, …
//
// It is pure: no clock, socket, goroutine, lock or log. Its owner steps it with events and
// does the actions in their order. No machine is stepped while the actions of another are
// being read.
package node
