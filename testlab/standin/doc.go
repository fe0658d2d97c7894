// Package standin is small services that stand in for those of a plant, and the store
// that a historian writes to: what a pair fails over in the demo and in tests, with
// nothing installed.
//
// It knows how to answer clients, to write with a fencing number, and to misbehave as
// real services do. The store is an arbiter: it refuses whoever has an older epoch than
// it has seen. It knows nothing of who may run; a program that is started runs.
//
//	host: a data server ◄── clients, by the shared address
//	      a historian ─── append (node, epoch, sequence, clock) ──► store
//	      a database of current values          ok | refused ◄───── (the laboratory's)
//	         ▲
//	         └── whims: a file that says how to misbehave, read while it runs
//
// A program that calls Main is a stand-in when it is started by the name of one; Install
// makes such names.
package standin
