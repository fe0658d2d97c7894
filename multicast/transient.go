package multicast

import (
	"errors"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// transient are the errors of a network or a host that may be well again in a
// moment.
var transient = []syscall.Errno{
	unix.ENETUNREACH,   // no route
	unix.ENETDOWN,      // the interface is down
	unix.EHOSTUNREACH,  // the neighbour did not answer
	unix.EHOSTDOWN,     // likewise
	unix.EADDRNOTAVAIL, // the local address is not there, or not yet
	unix.ENODEV,        // the interface is not there
	unix.ECONNREFUSED,  // the peer's port is closed
	unix.ENOBUFS,       // a queue on the way is full
	unix.ENOMEM,        // no memory for the datagram
	unix.EAGAIN,        // the socket's queue is full
	unix.EPERM,         // a packet filter dropped it
}

// Transient reports whether an error comes from the state of the network or the
// host, and not from the datagram or the socket: what is sent or opened again
// later may well succeed.
func Transient(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(transient, errno)
}
