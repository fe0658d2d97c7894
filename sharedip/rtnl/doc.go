// Package rtnl reads and changes addresses, links and routes of one network namespace
// over rtnetlink.
//
//	Conn.Add, Remove ── up to 128 changes in one system call ──► kernel
//	Conn.ReadHost, Link, Gateway ── dump or request ──────────► kernel
//	Conn.Receive, Notices ◄── changes of links and addresses ── kernel
//
// It knows messages, attributes and the settings that decide whether an address can be
// added and reached. It never decides which address belongs where, starts no goroutine and
// holds no lock. Invariants: a message counts only if the kernel sent it; a dump counts only
// if the table stayed the same while it ran; each refused change is reported by itself.
package rtnl
