// Package daemon is the running program: events in, actions out. It builds the rooms below
// it in order, and its loop steps the machine.
//
//	sockets ──────────────────────────────┐       ┌─► leasing: sender loop ──► sockets
//	deadline ───────────────────────────┐ │       │       └─► lease page, kernel's leases
//	kernel  ──► leasing ──┐   events    ▼ ▼       │
//	disk    ──► state ────┼──────────► │ loop │ ──┼─► addresses: workers, hooks
//	operator──► control ──┤  bounded              ├─► groups: units, checks
//	signals ──────────────┘         node.Machine  ├─► state: writer
//	                                              └─► observe: journal, log, alarms
//
// One goroutine, the loop, owns the machine, and it never waits for a room. The sender loop
// sends the loop's newest payload every interval, and falls silent when the loop has not
// stepped for one dead time. Slow work runs in the rooms and is answered with events.
//
// The daemon decides no lease: package node does. Package sharedip puts addresses on
// interfaces.
package daemon
