// Package sim is a world of nodes, networks and kernels in virtual time, drawn
// from a seed. The product's own pure machines run in it, unchanged; hours pass
// in a blink, and checkers outside the machines say whether the promises held.
//
//	seed ─► Plan (configuration + faults) ─► World ─► hosts: node.Machine, node.Sender
//	                                           │             kernel (lease, address, processes), keeper, disk, hands
//	                                           └──► checkers: answering, epochs, groups, liveness, busy loops
//
// The same seed gives the same run. It knows no real clock, socket or file.
package sim
