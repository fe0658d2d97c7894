// Package window knows what PGM (RFC 3208) does with sequence numbers: the
// transmit window with its repairs, the receive window with its states,
// source path message timing, the rate limit, and which known receiver is how
// far. Every type is a plain machine: it is told what happened and when, and
// says what must be done.
//
// It never opens a socket, never reads a clock, starts nothing and locks
// nothing: one goroutine at a time may use a machine.
//
// A receive window moves over the numbers of one session:
//
//	            next                     edge
//	             |                        |
//	handed to    | have  wait  have  lost | no room yet: dropped,
//	the          |                        | asked for later
//	application  | wait: BACK_OFF -> WAIT_NCF -> WAIT_DATA
//
// A number is waited for in three states (section 6.3). BACK_OFF ends by
// asking (NAK), WAIT_NCF by the source's confirmation (NCF), WAIT_DATA by the
// repair (RDATA); a state that ends by time goes back to BACK_OFF until its
// tries are used up.
package window
