// Package child starts the commands that a configuration names: hooks, checks and
// units that are programs.
//
//	daemon, root, nice -20 ──▶ a thread that gives everything up ──▶ fork, exec ──▶ command
//	                           priority, capabilities, keyring        user, groups,
//	                           for good: it ends with the start       stopped at its first
//	                                                                  instruction until limits
//	                                                                  and OOM score are set
//
// A command gets nothing of the daemon's: no capability in any of the five sets, no new
// privileges by set-user-ID files, another user where the host has one for it, no
// raised priority, no protection from the OOM killer, no keyring. A file may give it
// some (Rights).
//
// The package also keeps which processes this one waits for, so that all other children
// can be reaped (Reap): those of an earlier program in this process, and orphans where
// this is process 1.
//
// It never decides what is started, and does not wait for its end.
package child
