// Package addresses does the work that tokens with addresses need on this host: a Worker
// for each token takes and drops its addresses, one job after another, and runs its hooks.
//
// No token waits for another, and no address waits for a hook. The package decides nothing:
// the token machine gives the jobs, and package sharedip changes the kernel. Each job is
// answered with an event.
//
//	loop ─► Worker ─► Hands (sharedip, behind leasing)
//	  ▲        └────► hooks, one list after another
//	  └─ token.Up, token.Down, Failed
package addresses
