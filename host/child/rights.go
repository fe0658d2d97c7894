package child

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DefaultUser is the user that commands run as where the host has one of that name and
// the daemon may become it.
const DefaultUser = "vipd"

// Rights are the user, group and capabilities of a command. The zero Rights are the default user, or the
// daemon's own, with its groups and no capability.
type Rights struct {
	User         string   // name or number; empty: DefaultUser
	Group        string   // name or number; empty: the user's own
	Capabilities []string // such as CAP_NET_ADMIN, or All alone
}

// All gives a command every capability that the daemon has, and lets it gain
// privileges by set-user-ID files.
const All = "all"

// Error says which of the rights can't be given, and why.
type Error struct {
	Key    string // user, group or capabilities
	Item   int    // of the capabilities
	Reason string
}

func (e *Error) Error() string { return e.Key + ": " + e.Reason }

// identity holds the numbers that Rights mean on this host.
type identity struct {
	uid, gid     uint32
	groups       []uint32
	regroup      bool // the groups are to be set
	all          bool
	capabilities []uintptr
}

// Lookup says whether the rights mean something on this host: an *Error when a user or
// group does not exist, or a capability is none.
func (r Rights) Lookup() error {
	_, err := r.identity()
	return err
}

// Check says, as an *Error, why this process can't give a command these rights.
func (r Rights) Check() error {
	id, err := r.identity()
	if err == nil {
		err = id.possible()
	}
	return err
}

// identity looks user and groups up. Of the default user it takes the process's own
// where there is none that it may become.
func (r Rights) identity() (id identity, err error) {
	if id, err = r.lookupUser(); err != nil {
		return id, err
	}
	if r.Group != "" {
		if id.gid, err = groupID(r.Group); err != nil {
			return id, &Error{Key: "group", Reason: err.Error()}
		}
		id.regroup = true
	}
	for i, name := range r.Capabilities {
		if name == All {
			id.all = true
			continue
		}
		number, known := Capability(name)
		if !known {
			return id, &Error{Key: "capabilities", Item: i, Reason: fmt.Sprintf("%q is no capability; expected one such as CAP_NET_ADMIN", name)}
		}
		id.capabilities = append(id.capabilities, uintptr(number))
	}
	return id, nil
}

// lookupUser is the user's part of the identity.
func (r Rights) lookupUser() (identity, error) {
	if r.User != "" {
		id, err := userID(r.User)
		if err != nil {
			return id, &Error{Key: "user", Reason: err.Error()}
		}
		if id.gid == noID && r.Group == "" {
			return id, &Error{Key: "user", Reason: fmt.Sprintf("no user has the number %s here, so its group is not known; set group too", r.User)}
		}
		return id, nil
	}
	if id, err := userID(DefaultUser); err == nil && id.possible() == nil {
		return id, nil
	}
	own := identity{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	if id, err := userID(strconv.Itoa(os.Geteuid())); err == nil && id.gid != noID && id.possible() == nil {
		own.groups, own.regroup = id.groups, true // not those of the shell that started the daemon
	}
	return own, nil
}

// noID is a number that no user or group has.
const noID = ^uint32(0)

// userID finds a user by name or number. One that is a number and has no entry has no
// group.
func userID(name string) (id identity, err error) {
	u, err := user.Lookup(name)
	number, failed := strconv.ParseUint(name, 10, 32)
	if err != nil && failed == nil {
		if u, err = user.LookupId(name); err != nil {
			return identity{uid: uint32(number), gid: noID, regroup: true}, nil
		}
	}
	if err != nil {
		return id, fmt.Errorf("this host has no user %s", name)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return id, fmt.Errorf("user %s: %w", name, err)
	}
	return identity{uid: uint32(uid), gid: uint32(gid), groups: groupsOf(u), regroup: true}, nil
}

// groupsOf lists the supplementary groups of a user; none where they can't be read.
func groupsOf(u *user.User) (list []uint32) {
	texts, _ := u.GroupIds()
	for _, text := range texts {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil {
			list = append(list, uint32(n))
		}
	}
	return list
}

func groupID(name string) (uint32, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		if n, failed := strconv.ParseUint(name, 10, 32); failed == nil {
			return uint32(n), nil
		}
		return 0, fmt.Errorf("this host has no group %s", name)
	}
	n, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(n), err
}

// changes reports whether the command is another user than this process.
func (id identity) changes() bool { return int(id.uid) != os.Geteuid() }

// regroups reports whether the groups differ from this process's.
func (id identity) regroups() bool {
	if !id.regroup {
		return false
	}
	have, err := os.Getgroups()
	want := slices.Sorted(slices.Values(id.groups))
	differ := err != nil || !slices.EqualFunc(slices.Sorted(slices.Values(have)), slices.Compact(want), func(a int, b uint32) bool { return a == int(b) })
	return differ || int(id.gid) != os.Getegid()
}

// possible says why this process can't become that.
func (id identity) possible() error {
	have, err := ownCapabilities()
	if err != nil {
		return err
	}
	switch {
	case id.changes() && (!have.has(unix.CAP_SETUID) || !have.has(unix.CAP_SETGID)):
		return &Error{Key: "user", Reason: fmt.Sprintf("the daemon, user %d, may not become user %d: it needs CAP_SETUID and CAP_SETGID", os.Geteuid(), id.uid)}
	case id.changes() && !mapped("uid_map", id.uid):
		return &Error{Key: "user", Reason: fmt.Sprintf("user %d does not exist in this user namespace", id.uid)}
	case id.regroups() && id.gid != noID && (!have.has(unix.CAP_SETGID) || !mapped("gid_map", id.gid) || groupsDenied()):
		return &Error{Key: "group", Reason: fmt.Sprintf("the daemon, user %d, may not take the groups of the command: it needs CAP_SETGID, and the group in its user namespace", os.Geteuid())}
	case id.uid == 0 && id.changes() && !id.all && !have.has(unix.CAP_SETPCAP):
		return &Error{Key: "user", Reason: "the daemon can't take capabilities from root without CAP_SETPCAP"}
	}
	for i, number := range id.capabilities {
		if !have.has(int(number)) {
			return &Error{Key: "capabilities", Item: i, Reason: fmt.Sprintf("the daemon itself has no %s", capabilityName(int(number)))}
		}
	}
	return nil
}

// mapped reports whether a number exists in this user namespace (user_namespaces(7)).
func mapped(file string, number uint32) bool {
	text, err := os.ReadFile("/proc/self/" + file)
	if err != nil {
		return true // a kernel without user namespaces
	}
	for line := range strings.Lines(string(text)) {
		var first, outside, length uint64
		if n, _ := fmt.Sscan(line, &first, &outside, &length); n == 3 && uint64(number) >= first && uint64(number) < first+length {
			return true
		}
	}
	return false
}

// groupsDenied reports whether this user namespace forbids to set groups.
func groupsDenied() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.HasPrefix(string(text), "deny")
}

// Own gives a file to the user, so that a command whose output goes there may open it
// again, as by /dev/stderr.
func (r Rights) Own(file *os.File) error {
	id, err := r.identity()
	if err != nil || !id.changes() && !id.regroups() {
		return err
	}
	return file.Chown(int(id.uid), int(id.gid))
}

// CanChangeUser reports whether this process may start commands as other users.
func CanChangeUser() bool {
	have, err := ownCapabilities()
	return err == nil && have.has(unix.CAP_SETUID) && have.has(unix.CAP_SETGID)
}
