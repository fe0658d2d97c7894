// Package probe asks again and again whether something serves: a TCP port, a web
// page, a command, a unit of systemd.
//
//	          interval
//	│◄──────────────────────────►│
//	├─ check ──► Result(ok, text)├─ check ─────── hangs ──────┤timeout: Result(false, "timed out after 1s")
//	│                            │                            │    the next place in the row
//	┼────────────────────────────┼────────────────────────────┼────────────────────────────┼─► time
//
// One check runs at a time. One that takes longer than the interval costs the
// places in the row that it covered: they are not made up for. A check that hangs
// has failed at its timeout, and leaves no connection, goroutine or process.
//
// Addresses are literal: a resolver may ask from another network namespace than
// the one that is to be checked, and takes longer than a check may. Nothing comes
// from the environment: no proxy, no variable.
//
// The package never decides what a failure means: it does not count, and starts or
// stops nothing but its own commands. It knows no D-Bus: who wants to check units
// brings the question along (Options.UnitState).
package probe
