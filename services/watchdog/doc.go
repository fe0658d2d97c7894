// Package watchdog kills a service group when the daemon that runs it has not renewed the
// group's lease: the daemon was killed, is frozen or is wedged. A lease in the kernel stops
// a group's packets; only the group's death stops its writes to the disk.
//
//	vipd.service                run dir                     vipd-keeper
//	┌────────┐  Guard, Renew   ┌────────────────────────┐  scans   ┌─────────┐
//	│ daemon │ ──────────────► │ groups: a page of rows │ ◄─────── │ Run     │
//	└────────┘  Release        │ path, id, expiry, state│  marks   └────┬────┘
//	     │ Ensure              └────────────────────────┘               │ expiry + Grace
//	     └─ starts it, or finds it                                      ▼
//	                                            ┌─ cgroup.kill of the group ─┐
//
// The page is mapped memory: a renewal is one store, and the newest expiry counts however
// its writer ended. The last store of a row is its state, so a writer that stops anywhere
// leaves a whole row or none. Each state carries a generation, by which a reader notices
// that a row has become another group's.
//
// The watchdog opens what a kill needs when it first sees the row. The kill is then one
// write to an open file, without memory or path. It kills only groups below its root, and
// only the very directory that the row names by device and inode. It marks a row that it
// refuses, and the daemon learns that by its next renewal.
//
// The watchdog shares the daemon's host and kernel, so it is no fencing device. It decides
// nowhere which node runs a group. Its process is called the keeper in commands and logs.
package watchdog
