// Package heartbeat finds out which nodes are alive. It has the message that nodes send each
// other, and knows which peers are heard on which path, which of our sends they have heard,
// and how far their clocks are off. It never decides which node holds a token (package token
// does), and it knows no socket, clock, thread or log.
//
//	datagram ──► Parse ──► Machine.Step ──► Report, Send{Reply}, Send{Query}, Resumed
//	                           │
//	claims ──► Sender.SetPayload │ (the daemon's loop)
//	             │
//	timer  ──► Sender.Compose ──► Append ──► datagram   (a thread of its own)
//
// The Machine belongs to the loop that decides, the Sender to the thread that sends.
// Invariants: a session of a peer counts only after it has echoed a recent send of ours; the
// Sender falls silent when the loop has not stepped for one dead time, for a stuck node must
// not look alive.
//
// Three kinds of message differ only in their demand on the receiver. A Beat goes out every
// interval and is echoed at once. So is a Query, which goes to a peer that has been silent or
// has not echoed for 1.2 intervals. A Reply is the echo and is never answered, so no exchange
// goes round in circles.
package heartbeat
