// Package seal closes and opens the datagrams that nodes of one cluster send
// each other.
//
// It knows the cluster's key ring, the wire header, the AES-256-GCM seal and
// the replay window. Every datagram is sealed; there is no plaintext mode:
//
//	0         1        5         9        10        18        26
//	+---------+--------+---------+--------+---------+---------+~~~~~~~~~+-----+
//	| version | key id | cluster | sender | session | counter | payload | tag |
//	|    1    |   4    |    4    |   1    |    8    |    8    |  sealed | 16  |
//	+---------+--------+---------+--------+---------+---------+~~~~~~~~~+-----+
//	'------------- additional data ------------------'
//	                                '--- nonce (12) --'
//
// All fields are big-endian. The whole header is additional data, so a changed
// bit anywhere refuses the datagram. The key of a datagram is derived from the
// cluster key, the cluster's name, the sender and its session (HKDF-SHA256,
// RFC 5869). Each start of a sender draws a random session and counts from 1,
// so no nonce is used twice under one key, and neither a disk nor a wall clock
// is needed to be sure of it.
//
// # Replays
//
// Within a session the [Opener] refuses a counter that it has seen and one that
// is 1024 or more behind the newest (RFC 6479). A recording of an earlier
// session of the same sender is authentic, and no window can tell it from a
// sender that has just started. That is the caller's share: its messages echo
// the session of the receiver, and a message that echoes the receiver's present
// session can't be a recording of an earlier life. When the caller has seen
// such an echo it calls [Opener.Confirm], and from then on no datagram of
// another session can displace what is known of this one. What an unconfirmed
// session says must not change any state.
//
// One window is shared by all that a session sends. Bulk traffic passes 1024
// datagrams in milliseconds and would push a heartbeat on a slower path out of
// it, so bulk takes a session and an Opener of its own.
//
// # What it never does
//
// It never answers, never logs, never reads a clock, and never tells the caller
// anything of a key but its id. What fails to open is counted by reason, see
// [Refusal].
package seal
