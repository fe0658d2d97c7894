// Package state keeps what outlives a reboot: epochs that may have been granted, records of
// tokens that no node inherits, orders of an operator, and start counters.
//
// A file is whole or absent: each write goes to a temporary file, fsync, rename, fsync of
// the directory. A file that cannot be used is set aside and never overwritten. The package
// decides nothing about tokens; only its Writer waits for the disk.
//
//	loop ──► Writer.Enqueue ──► queue ──► Run ──► Store ──► state.json
//	  ◄── token.RecordPersisted, EpochsReserved ──┘
package state
