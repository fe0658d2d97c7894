// Package observe holds what an operator sees of a running daemon: alarms, the journal of
// transitions, the log, and counts that status shows.
//
// It decides nothing about tokens and never waits for a reader: the log drops and counts
// lines that find no room. Alarms are for any goroutine; Journal, Moves and Proofs belong
// to the goroutine of the loop.
//
//	rooms ──► Alarms ──────────────────────► status
//	loop  ──► Journal ──► ring ────────────► vipd events
//	             └──────► AsyncHandler ────► log
package observe
