// Package heartbeat knows who is alive: the message that nodes send each
// other, which peers are heard on which path, what they have heard of us, and
// how far their clocks are off. It never decides who holds what (token does)
// and knows no socket, clock, thread or log.
//
//	datagram ──► Parse ──► Machine.Step ──► Heard, Say{Answer}, Say{Ask}, Thawed
//	                           │
//	claims ──► Sender.SetPayload │ (the daemon's loop)
//	             │
//	timer  ──► Sender.Compose ──► Append ──► datagram   (a thread of its own)
//
// The Machine belongs to the loop that decides; the Sender to the thread that
// beats. The Sender falls silent when the loop has not stepped for one dead
// time: a wedged mind must not look alive.
//
// Three kinds of message differ only in what they ask of the receiver. A Beat
// goes out every interval and is echoed at once; an Ask likewise, when a peer
// has been silent or has not echoed for 1.2 intervals; an Answer is the echo
// and is never answered, so no exchange goes round in circles.
package heartbeat
