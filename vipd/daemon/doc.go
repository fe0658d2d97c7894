// Package daemon is the running program: events in, actions out.
//
//	sockets ─────────────────────────────┐       ┌─► sender ──► sockets
//	deadline ──────────────────────────┐ │       │       └─► lease page
//	kernel  ──► hands ───┐   events    ▼ ▼       │
//	disk    ──► store ───┼──────────► │ loop │ ──┼─► workers, one a token ──► hands, hooks
//	operator──► control ─┤  bounded              ├─► store
//	signals ─────────────┘          node.Machine └─► journal, log
//
// One goroutine, the loop, owns the machine; nothing it does waits. The sender loop
// says what the loop last gave it to say, every interval, and falls silent when
// the loop has not stepped for one dead time. Slow hands work elsewhere and
// answer with events.
//
// The daemon decides nothing: who holds what is node's business, how an address
// gets onto an interface is sharedip's.
package daemon
