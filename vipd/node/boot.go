package node

import (
	"time"

	"vipd/heartbeat/clock"
	"vipd/token"
)

// Found is the remains of one token at a start: those that an earlier daemon left in this
// boot of the host, and the record on disk.
type Found struct {
	Token  int
	Bits   token.Bits
	Group  bool // processes, which the kernel does not silence when their lease ends
	Up     bool // its addresses, or some of its processes, are there
	Lease  Left
	Record token.Record
}

// Left is the newest lease that an earlier daemon left of a token. The zero value stands
// for none.
type Left struct {
	Epoch  uint64
	Expiry clock.Instant // 0: the daemon gave the token up
	Since  clock.Instant // held without a break
	Pinned bool
}

// Kept is the state of the node on disk.
type Kept struct {
	Suspended bool
	Halted    []string // tokens whose group an operator stopped
}

// BootAction is one step of a start: Adopt, Remove or Tell.
type BootAction interface{ bootAction() }

// Adopt has a token go on under the lease: its resource stays up without a gap. Where
// that turns out to be impossible the token is removed instead.
type Adopt struct {
	Token int
	Lease Left
}

// Remove has a token's resource taken down. Until that is done the node must not
// speak: its first heartbeat says that it does not hold the token.
type Remove struct{ Token int }

// Tell has the machine stepped with the event.
type Tell struct{ Event Event }

func (Adopt) bootAction()  {}
func (Remove) bootAction() {}
func (Tell) bootAction()   {}

// Boot decides about all remains that a start finds, before the first
// heartbeat. Groups come first, since addresses may require them. longest is how long
// a lease can last. The daemon and the simulation run this same code.
//
//	found ──► Boot ──► Adopt, Remove (groups, then addresses) ──► Tell: the records, Booted
func Boot(now clock.Instant, longest time.Duration, found []Found, kept Kept) (list []BootAction) {
	for _, groups := range []bool{true, false} {
		for i := range found {
			if f := &found[i]; f.Group == groups && f.Up {
				list = append(list, f.decide(now, longest))
			}
		}
	}
	var recalled token.Batch
	for _, f := range found {
		record := f.Record
		record.Holder = f.resumes(now)
		recalled = append(recalled, token.RestoreRecord{Token: f.Token, Record: record, Seen: f.Lease.Epoch})
	}
	list = append(list, Tell{recalled}, Tell{StoppedGroups{Names: kept.Halted}})
	if kept.Suspended {
		list = append(list, Tell{Suspended{On: true}})
	}
	return append(list, Tell{token.Booted{}})
}

// decide says whether a token that is up goes on: by a lease that lasts. A group also
// goes on where no other node can have taken it, by the record of this boot, and where
// every node may run it. An address under such a record is removed: the record has the
// machine take it anew, under a lease that is in force before.
func (f *Found) decide(now clock.Instant, longest time.Duration) BootAction {
	lease := f.Lease
	switch {
	case lease.Lasts(now, longest):
		return Adopt{f.Token, lease}
	case f.Group && f.Bits&token.DisableInheritance != 0 && f.resumes(now):
		return Adopt{f.Token, Left{Epoch: f.Record.Epoch, Expiry: now, Since: now}}
	case f.Group && f.Bits&token.AllowMultiple != 0 && lease.Expiry != 0:
		lease.Expiry = max(lease.Expiry, now)
		return Adopt{f.Token, lease}
	}
	return Remove{f.Token}
}

// resumes reports whether the node goes on with a token that the record of this boot names:
// it was away for so short a time that no other node can have been ordered to take it.
// Else it waits for the others' word, as after a reboot.
func (f *Found) resumes(now clock.Instant) bool {
	return f.Record.Holder && f.Lease.Expiry != 0 && f.Lease.Epoch == f.Record.Epoch && now.Sub(f.Lease.Expiry) < token.ForceAfter*4/5
}

// Lasts reports whether the lease lasts long enough to be taken over, and no longer
// than any could: no daemon wrote such a one.
func (l *Left) Lasts(now clock.Instant, longest time.Duration) bool {
	const margin = 2 * time.Millisecond
	left := l.Expiry.Sub(now)
	return margin < left && left <= longest && l.Since <= now
}

// Event is that by which the machine learns that the token was adopted.
func (a Adopt) Event(now clock.Instant) token.Adopt {
	return token.Adopt{Token: a.Token, Epoch: a.Lease.Epoch, Expiry: a.Lease.Expiry, Tenure: now.Sub(a.Lease.Since), Pinned: a.Lease.Pinned}
}
