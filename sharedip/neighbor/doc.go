// Package neighbor makes, sends, reads and parses the frames by which neighbours on a LAN
// learn where an address is: ARP (RFC 826, RFC 5227) and neighbor discovery (RFC 4861).
//
//	NewAnnouncement, NewProbe, NewQuestion ──► Frame ──► Sender ──► LAN
//	Observation ◄── Parse ◄── FrameReader ◄── Filter (in the kernel) ◄── LAN
//
// It knows forms, offsets and packet sockets. It never decides when a frame is sent or what
// an observation means, starts no goroutine and holds no lock. Invariants: a FrameReader
// returns only frames that its filter passes, and none before the first filter; a Sender
// never waits; Parse reads no octet beyond the frame.
package neighbor
