// Package sched asks the kernel for processor time and memory, so that a busy host does
// not look dead to its peers.
//
// It knows nice values, sessions, timer slack and locked memory. It decides no times
// and knows no token. Each request that the kernel refuses is reported once, and the
// daemon runs on without it.
//
//	Prioritise            nice −20, the session before others, memory locked
//	MaintainPriority      the same for threads that the runtime makes later
//	ReleaseStartupMemory  unlocks and frees what only the start needed
package sched
