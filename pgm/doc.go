// Package pgm is PGM, Pragmatic General Multicast (RFC 3208), in Go: ordered
// messages from any number of senders to any number of receivers of one group,
// with losses repaired, and those that can't be repaired reported.
//
// It knows sockets, goroutines and the API. It never interprets a message,
// never sends anything to the group but plain RFC 3208 unless a Seal is set, and keeps no goroutine
// after Close. The octets are the business of pgm/packet, the procedures of
// pgm/window; its links move packets with package multicast.
//
//	application                                              application
//	     | Send                                        Receive ^
//	.----v-----.  SPM, ODATA, RDATA, NCF   group      .--------+-.
//	|  Sender  | ===================================> | Receiver |
//	|  window  | <----------------------------------- |  window  | per source
//	'----^-----'  NAK, SPMR                unicast    '--------+-'
//	     |                                                     |
//	     '- - - - - - progress, by unicast, own port - - - - - '
//	                  (only between receivers and senders that name each other)
//
// A Sender does not know who listens. It keeps the packets sent last in its
// window and repairs them when asked; a receiver that comes too late gets a
// LossError, one for each hole, with the exact count. Name the receivers in
// SenderOptions.Receivers and the sender waits for them instead, or leaves one
// behind after a limit and tells both sides.
package pgm
