// Package services knows how a service group lives on one node: in which order
// its units start and stop, when it is up, what a death or a failing check
// leads to, and when to give up. Whether the group may run here at all is a
// token's decision, which comes in as Grant and Revoke.
//
//	         Grant              started, healthy: Up
//	Idle ──────────► Starting ─────────────────────► Running
//	   ▲                │ ▲                             │
//	   │ nothing left,  │ │ nothing left,               │ death, sick check,
//	   │ no grant:      │ │ allowance lasts             │ failed start
//	   │ Down           ▼ │                             │
//	Stopping          Failing ◄─────────────────────────┘
//	   │ ▲              │   │
//	   ▼ │ a stop fails ▼   └──► Broken   nothing left, allowance spent: Failed, once
//	  Blocked: tried again every 5 s; no Down, so the token stays here
//
// A Revoke, an operator's restart or a new configuration turns every state on
// the right into Stopping.
//
// Three rules hold in every state. Nothing starts without a grant. Nothing that
// has started is started again before its stop is confirmed: what died may have
// left children. One unit of a group is ordered at a time, so a group is always
// a whole lower part of its list.
//
// An order (Start, Stop, Probe) has a number, and whoever answers it repeats the
// number. An answer to an order that is not the newest for its unit changes
// nothing: it speaks of a life that is over.
//
// The package knows no process, service manager, socket, clock, thread or log,
// and not what a token or a heartbeat is.
package services
