// Package keeper is the dead-man switch of service groups: a small process that
// kills a group when the daemon that runs it has not renewed the group's lease,
// because it was killed, frozen or is wedged. A lease in the kernel silences a
// group's packets; what a second historian writes to its disk only death stops.
//
//	vipd.service                run dir                     vipd-keeper
//	┌────────┐  Guard, Renew   ┌────────────────────────┐  looks   ┌─────────┐
//	│ daemon │ ──────────────► │ groups: a page of rows │ ◄─────── │ Run     │
//	└────────┘  Release        │ path, id, expiry, state│  marks   └────┬────┘
//	     │ Ensure              └────────────────────────┘               │ expiry + Grace
//	     └─ starts it, or finds it                                      ▼
//	                                            ┌─ cgroup.kill of the group ─┐
//
// The page is mapped memory: a renewal is one store, and the newest expiry counts
// however its writer ended. A row counts from one last store, that of its state,
// so a writer that is stopped anywhere leaves a row that is whole or none. Each
// state carries a generation, so that who reads a row while it becomes another's
// finds out.
//
// What the keeper needs for a kill it opens when it first sees the row: at the end
// it takes one write to a file that is open, no memory, no path. It kills only what
// lies below the folder it was given and is the very directory that was meant, by
// device and inode; a row that it will not act on it marks, and the daemon learns
// it by its next renewal.
//
// The keeper is on the daemon's host and shares its kernel: it is no fence. It
// decides nothing about who runs a group. It dies with the host, and so does the
// group.
package keeper
