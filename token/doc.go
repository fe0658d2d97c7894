// Package token decides who holds what. Everything that may be in one place
// only is a token: a shared IP, later a service group or an application's own
// right. The machine is told what peers say and when it was proven, what the
// hands did and what an operator wants; it answers with what to do.
//
//	       take               Up                 drop             Down
//	Idle ────────► Taking ────────► Holding ────────► Dropping ────────► Idle
//	  ▲               │ Failed          │ hard reason,     (lease expired
//	  │               └────────►────────┤ lease over,       before the hands
//	  └── released(epoch) is said ──────┘ given, yielded    start removing)
//
// It knows no address, service, socket, clock or log, and not what a heartbeat
// is: the node room turns messages into Words and Claims into messages.
//
// Between two nodes the safety of a taking rests on one pair of numbers: a
// holder's lease ends L after the newest of its beats and asks that the peer has
// echoed, and the peer takes no earlier than D = 1.25 L after it last heard one.
// lease.go and take.go are the two halves of it.
//
// The rules have numbers (H1, T4), which docs/tokens.md explains in order; the function
// that keeps a rule names it.
package token
