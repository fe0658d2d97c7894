// Package child starts the commands that a configuration names: hooks, checks and
// units that are programs.
//
//	daemon, root, nice -20 ──▶ a thread that gives everything up ──▶ fork, exec ──▶ command
//	                           priority, capabilities, keyring        user, groups,
//	                           for good: it ends with the start       stopped at its first
//	                                                                  instruction until limits
//	                                                                  and OOM score are set
//
// Start is the one place where a command loses the daemon's rights. It keeps no capability
// in any of the five sets, gains no privilege by set-user-ID files, and has another user
// where the host has one for it. It has no raised priority, no protection from the OOM
// killer and no keyring. A file may give it some of these (Rights).
//
// The package also keeps the list of children that a part of this process waits for, so
// that all other children can be reaped (Reap): those of an earlier program in this
// process, and orphans where this is process 1.
//
// The package never decides which command starts. It starts no shell and sets no limit
// of time; callers do.
package child
