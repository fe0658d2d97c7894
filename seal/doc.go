// Package seal closes and opens the datagrams that nodes of one cluster send
// each other.
//
// It knows the cluster's key ring, the wire header, the AES-256-GCM seal and
// the replay window. Every datagram is sealed; there is no plaintext mode:
//
//	octet size
//	    0    1  version, 2
//	    1    1  length of the header, 48 or more
//	    2    1  kind of the payload
//	    3    1  sender, the node's slot
//	    4    4  cluster
//	    8    4  key id
//	   12    8  start
//	   20    8  session
//	   28    4  salt    | the nonce
//	   32    8  counter |
//	   40    8  tag of the header
//	   48       what later programs add to the header
//	            payload, sealed
//	        16  tag
//
// All fields are big-endian. The whole header is additional data, additions too,
// so a changed bit anywhere refuses the datagram. The payload is sealed with
// AES-256-GCM; its key is derived from the cluster key, the cluster's name and
// the stream, which is kind, sender, start and session (HKDF-SHA256, RFC 5869).
// The header's own tag is AES-CMAC (RFC 4493) under a key of the cluster, over all
// other octets of the header. It proves nothing that the seal does not; it makes
// the refusal of a forged datagram cheap.
//
// # Nonces
//
// Each start of a sender draws a random session and counts from 1, so no nonce is
// used twice under one key, and neither a disk nor a wall clock is needed to be
// sure of it. A machine that was copied with its memory has the same session and
// counter in both copies. For them the nonce has a salt of 32 bits, drawn anew for
// each datagram.
//
// # Replays
//
// Within a session the [Opener] refuses a counter that it has seen and one that
// is 1024 or more behind the newest (RFC 6479). A recording of an earlier session
// of the same sender is authentic. It has a lower start counter than the session
// that the caller has confirmed, and is refused for that before anything else is
// done. Where the Opener has confirmed none, it is the caller's share to tell a
// recording from a sender that has just started: its messages echo the session of
// the receiver, and a message that echoes the receiver's present session can't be
// a recording of an earlier one. When the caller has seen such an echo it calls
// [Opener.Confirm]. What an unconfirmed session says must not change any state.
//
// One window is shared by all that a session sends. Bulk traffic passes 1024
// datagrams in milliseconds and would push a heartbeat on a slower path out of
// it, so bulk is a kind of its own, with streams and an Opener of its own.
//
// # What it never does
//
// It never answers, never logs, decides nothing by a clock, and never tells the
// caller anything of a key but its id. What fails to open is counted by reason, see
// [Refusal].
package seal
