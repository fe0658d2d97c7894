// Package multicast sends and receives UDP datagrams in batches, to groups and
// to single hosts, over IPv4 and IPv6 alike.
//
// It knows how sockets must be bound so that a path stays a path, how to move
// many datagrams with one system call, and how to read what the kernel tells of
// a datagram. It never looks into a datagram, never keeps one, never answers and
// never chooses a peer.
//
// A [Conn] is one path: one local address of the host and the interface that
// carries it. It has a socket of its own for each group, and one for unicast
// that also sends everything:
//
//	            Conn on 10.0.0.1, eth0
//	.---------------------------------------------.
//	| Unicast: bound to 10.0.0.1:7000             | --> group and peers, always
//	|                                             | <-- from 10.0.0.1
//	| Group: bound to 239.192.77.1:7000 and eth0, | <-- this group, heard on
//	|        joined there                         |     eth0, and nothing else
//	'---------------------------------------------'
//
// So a datagram never bears another address of the host as its source, such as
// one that came to the interface for a while, and two groups on one port or two
// paths in one group never hear each other's datagrams. A program reads each
// [Socket] with a goroutine of its own, or all of them with one that waits for them by
// epoll ([Options.Apart]).
//
// A membership belongs to its socket: it outlives a lost carrier, an interface
// that is set down and up, and the address going away and coming back. It ends
// with the interface itself; a recreated interface needs [Conn.Rejoin]. What the
// network does meanwhile shows as errors for which [Transient] is true. Over IPv6
// the kernel goes on sending to groups from an address that has gone.
//
// Sockets belong to the network namespace of the thread that calls [Open] or
// [Conn.Join], wherever they are used afterwards.
package multicast
