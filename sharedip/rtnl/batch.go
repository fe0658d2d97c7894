package rtnl

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// batchSize is the number of changes sent to the kernel in one system call. The
// answers to all of them must fit the socket's receive buffer (about 208 KiB).
const batchSize = 128

// Change is one address to be put on, or taken off, one interface.
type Change struct {
	Index  int
	Prefix netip.Prefix // of host length, unless someone else's is taken off
	Label  string       // of an IPv4 address that is put on
}

// What add does when the kernel has the address already.
const (
	ReplaceExisting = unix.NLM_F_CREATE | unix.NLM_F_REPLACE // give it the new lifetime
	OnlyMissing     = unix.NLM_F_CREATE | unix.NLM_F_EXCL    // leave it: EEXIST
)

// Add puts every change on its interface for valid seconds, and returns what
// the kernel said to each.
func (c *Conn) Add(changes []Change, existing uint16, valid uint32) ([]error, error) {
	return c.batch(changes, func(b []byte, seq uint32, ch Change) []byte {
		return AppendAddress(b, unix.RTM_NEWADDR, unix.NLM_F_REQUEST|existing, seq, ch, valid)
	})
}

// Remove takes every change off its interface. That it is there no more, or
// that the interface isn't, is what was wanted and so no error.
func (c *Conn) Remove(changes []Change) ([]error, error) {
	said, err := c.batch(changes, func(b []byte, seq uint32, ch Change) []byte {
		return AppendAddress(b, unix.RTM_DELADDR, unix.NLM_F_REQUEST, seq, ch, 0)
	})
	for i, e := range said {
		if errors.Is(e, unix.EADDRNOTAVAIL) || errors.Is(e, unix.ENOENT) || errors.Is(e, unix.ENODEV) {
			said[i] = nil
		}
	}
	return said, err
}

// batch sends the changes many at a time. Only the last of a burst asks for an
// acknowledgement: the kernel reports failures in any case and works in order.
func (c *Conn) batch(changes []Change, encode func([]byte, uint32, Change) []byte) ([]error, error) {
	said := make([]error, len(changes))
	for start := 0; start < len(changes); start += batchSize {
		part := changes[start:min(start+batchSize, len(changes))]
		first, b, last := c.seq+1, []byte(nil), 0
		for _, ch := range part {
			c.seq++
			last = len(b)
			b = encode(b, c.seq, ch)
		}
		flags := b[last+6:]
		binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
		if err := c.Send(b); err != nil {
			return said, err
		}
		err := c.answers(first, c.seq, func(m syscall.NetlinkMessage) bool {
			said[start+int(m.Header.Seq-first)] = answerError(m)
			return m.Header.Seq == c.seq
		})
		if err != nil {
			return said, err
		}
	}
	return said, nil
}

// AppendAddress encodes one RTM_NEWADDR or RTM_DELADDR.
//
//	nlmsghdr 16 | ifaddrmsg 8 | LOCAL | ADDRESS | CACHEINFO 20 | FLAGS 8 | LABEL 20
//
// The host must not pick the address as the source of what it sends itself: clients
// would keep connections to an address that moves. Preferred lifetime 0 makes it
// deprecated, so IPv6 avoids it (RFC 6724 rule 3). IPv4 ignores that. There the scope
// is host, which the kernel skips when it looks for a source for anything that leaves
// the host, and the label keeps it from SIOCGIFADDR and its kin, which return the first
// address that is labelled with the interface's own name. IPv6 has neither duplicate
// address detection, which would keep the address mute for more than a second, nor a
// route of its own.
func AppendAddress(b []byte, typ, flags uint16, seq uint32, ch Change, valid uint32) []byte {
	start := len(b)
	addr := ch.Prefix.Addr()
	family, scope, bits := byte(unix.AF_INET), byte(unix.RT_SCOPE_HOST), uint32(0)
	if addr.Is6() {
		family, scope = unix.AF_INET6, unix.RT_SCOPE_UNIVERSE
		bits = unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE
	}
	b = appendHeader(b, 0, typ, flags, seq)
	b = append(b, family, byte(ch.Prefix.Bits()), 0, scope)
	b = binary.NativeEndian.AppendUint32(b, uint32(ch.Index))
	b = appendAttribute(b, unix.IFA_LOCAL, addr.AsSlice())
	b = appendAttribute(b, unix.IFA_ADDRESS, addr.AsSlice())
	if valid != 0 {
		lifetimes := make([]byte, 16) // preferred 0, valid, two stamps of the kernel's own
		binary.NativeEndian.PutUint32(lifetimes[4:], valid)
		b = appendAttribute(b, unix.IFA_CACHEINFO, lifetimes)
		b = appendAttribute(b, unix.IFA_FLAGS, binary.NativeEndian.AppendUint32(nil, bits))
	}
	if valid != 0 && addr.Is4() && ch.Label != "" {
		b = appendAttribute(b, unix.IFA_LABEL, append([]byte(ch.Label), make([]byte, unix.IFNAMSIZ-len(ch.Label))...))
	}
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// appendAttribute adds one attribute whose length is a multiple of 4 bytes.
func appendAttribute(b []byte, typ uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	return append(b, value...)
}

// labelSuffix ends the label of every IPv4 address that is shared.
const labelSuffix = ":vip"

// AddressLabel is the label of shared IPv4 addresses on an interface. No interface has
// a colon in its name, so it is none's.
func AddressLabel(interfaceName string) string {
	most := unix.IFNAMSIZ - 1 - len(labelSuffix)
	return interfaceName[:min(len(interfaceName), most)] + labelSuffix
}
