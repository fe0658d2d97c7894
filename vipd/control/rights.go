package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Group is the group whose members may change things.
const Group = "vipd"

// Caller is who opened a connection, by the word of the kernel.
type Caller struct {
	UID    uint32
	PID    int32
	Groups []uint32 // primary and supplementary
}

// rights say who may change things. Whoever could connect may read.
type rights struct {
	daemon uint32  // the daemon's own user
	group  *uint32 // nil where the host has no group vipd
}

// mayChange is true for root, for the daemon's own user, and for members of
// the group vipd.
func (r rights) mayChange(c Caller) bool {
	if c.UID == 0 || c.UID == r.daemon {
		return true
	}
	return r.group != nil && slices.Contains(c.Groups, *r.group)
}

// hostRights reads this process's user and the group vipd, if there is one.
func hostRights() (rights, error) {
	r := rights{daemon: uint32(os.Geteuid())}
	g, err := user.LookupGroup(Group)
	var unknown user.UnknownGroupError
	if errors.As(err, &unknown) || errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return rights{}, fmt.Errorf("look up group %s: %w", Group, err)
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return rights{}, fmt.Errorf("look up group %s: %w", Group, err)
	}
	r.group = new(uint32(gid))
	return r, nil
}

// callerOf asks the kernel who connected: the credentials are those at the
// time of connect(2), so passing the socket on lends the caller's rights and
// reusing its pid gains nothing.
func callerOf(c *net.UnixConn) (Caller, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Caller{}, fmt.Errorf("read caller's credentials: %w", err)
	}
	var who Caller
	var inner error
	err = raw.Control(func(fd uintptr) { who, inner = credentials(int(fd)) })
	if err = errors.Join(err, inner); err != nil {
		return Caller{}, fmt.Errorf("read caller's credentials: %w", err)
	}
	return who, nil
}

func credentials(fd int) (Caller, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Caller{}, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return Caller{}, fmt.Errorf("SO_PEERGROUPS: %w", err)
	}
	return Caller{UID: cred.Uid, PID: cred.Pid, Groups: append(groups, cred.Gid)}, nil
}

// maxGroups is how many groups Linux lets a process have (NGROUPS_MAX).
const maxGroups = 65536

// peerGroups reads SO_PEERGROUPS (Linux 4.13), which answers ERANGE with the
// needed length when the list is longer than the room given.
func peerGroups(fd int) ([]uint32, error) {
	groups := make([]uint32, 32)
	for {
		size := uint32(4 * len(groups))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno == unix.ERANGE && len(groups) < maxGroups:
			groups = make([]uint32, maxGroups)
		default:
			return nil, errno
		}
	}
}
