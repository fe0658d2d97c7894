// Package leasing renews leases by what the node sends, and has the kernel enforce them.
//
// SenderLoop sends the payload that the loop last gave it, every interval, and stamps each
// message; the stamp renews the leases. It falls silent, and renews no lease, when the loop
// has not stepped for one dead time. Page has the expiries for the next daemon of this
// boot. LeasedAddresses arms the kernel's lease of an address before the address is put on,
// and lets go of it after the address is off; GroupLeases does so for control groups.
//
// The package decides no lease: node.Sender and the token machine do.
//
//	loop ─► SenderLoop ─► Transport
//	            ├───────► Page             mapped file, next daemon
//	            └───────► LeasedAddresses  package lease: BPF or nftables
//	                          └─► GroupLeases ─► the keeper's page
package leasing
