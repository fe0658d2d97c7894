// Package announce decides when one shared address is announced, defended and proved, and
// in which form. It is pure: time is an argument, and the caller sends the frames.
//
//	Take, Begin, Claimed ──► Announcer ──► Forms: which forms to send now
//	Answered, PacketCame ──►    │     ──► Prove: which neighbours to ask now
//	                            └─ Due: when to call again
//
// An announcement is repeated after 50 ms and 150 ms and refreshed each minute. A defence
// answers a foreign claim (RFC 5227 section 2.4). A proof asks neighbours from the address,
// because a neighbour that answers to this host's card has the card in its cache.
//
// Invariants: at most 10 frames of one address and 1000 of all in a second, apart from the
// first two after Take; at most 5 defences in 10 s; while a foreign claim is recent, only
// defences are sent. It never knows frames, links or sockets.
package announce
