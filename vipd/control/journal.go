package control

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Cause says why something happened. The list is closed.
type Cause string

// The causes. An event that is no transition has none.
const (
	NoCause      Cause = ""
	PeerSilent   Cause = "peer-silent"
	PeerResigned Cause = "peer-resigned"
	UnitFailed   Cause = "unit-failed"
	CheckFailed  Cause = "check-failed"
	Operator     Cause = "operator"
	Priority     Cause = "priority"
	ConflictWon  Cause = "conflict-won"
	ConflictLost Cause = "conflict-lost"
	SelfStalled  Cause = "self-stalled"
	LeaseExpired Cause = "lease-expired"
	LinkDown     Cause = "link-down"
	ClockSkew    Cause = "clock-skew"
	Config       Cause = "config"

	Stopping      Cause = "stopping"       // this daemon resigns
	Restarted     Cause = "restarted"      // adopted from the process before
	AddressFailed Cause = "address-failed" // the kernel refused it
)

// Event is one entry of the journal. Fields that don't apply are empty.
type Event struct {
	Seq   uint64    `json:"seq"`  // 1 for the first after a start, then without gaps
	Time  time.Time `json:"time"` // wall clock of this node
	Kind  string    `json:"kind"` // what it is about: "node", "token", "address", "alarm", …
	Token string    `json:"token,omitempty"`
	Node  string    `json:"node,omitempty"`
	From  string    `json:"from,omitempty"` // state before
	To    string    `json:"to,omitempty"`   // state after
	Cause Cause     `json:"cause,omitempty"`
	Epoch uint64    `json:"epoch,omitempty"`
	Text  string    `json:"text"` // one line for people, complete by itself
}

// Page is a run of consecutive events.
type Page struct {
	Lost   uint64  `json:"lost"`   // events before the first that the ring no longer holds
	Events []Event `json:"events"` // oldest first
	Next   uint64  `json:"next"`   // ask with since = Next for what follows
}

// JournalSize is how many events a journal keeps: a few hundred bytes each,
// so about a megabyte.
const JournalSize = 4096

// PageLimit is the most events in one page.
const PageLimit = 512

// Journal keeps the last events in a ring. Append never waits for a reader; a
// reader that is too slow is told how many it lost.
type Journal struct {
	mu    sync.Mutex
	ring  []Event       // the event with number seq is at (seq-1) mod len
	last  uint64        // number of the newest event, 0 before the first
	grown chan struct{} // closed and replaced by each Append
}

// NewJournal makes an empty journal of JournalSize events.
func NewJournal() *Journal { return newJournal(JournalSize) }

func newJournal(size int) *Journal {
	return &Journal{ring: make([]Event, size), grown: make(chan struct{})}
}

// Append numbers an event, dates it when it has no time, and keeps it.
func (j *Journal) Append(e Event) Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	j.last++
	e.Seq = j.last
	j.ring[(e.Seq-1)%uint64(len(j.ring))] = e
	close(j.grown)
	j.grown = make(chan struct{})
	return e
}

// Since returns the events after number seq, at most limit of them (and never
// more than PageLimit). A seq beyond the newest event was given by an earlier
// process, whose journal is gone: the page then begins at the oldest event.
func (j *Journal) Since(seq uint64, limit int) Page {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.page(seq, limit)
}

func (j *Journal) page(seq uint64, limit int) Page {
	if seq > j.last {
		seq = 0
	}
	p := Page{Events: []Event{}}
	if size := uint64(len(j.ring)); j.last-seq > size {
		p.Lost = j.last - seq - size
		seq += p.Lost
	}
	n := min(j.last-seq, uint64(max(limit, 0)), PageLimit)
	for range n {
		p.Events = append(p.Events, j.ring[seq%uint64(len(j.ring))])
		seq++
	}
	p.Next = seq
	return p
}

// Follow yields what comes after seq, page by page, and waits for more until
// ctx ends. No page is empty.
func (j *Journal) Follow(ctx context.Context, seq uint64) iter.Seq[Page] {
	return func(yield func(Page) bool) {
		for ctx.Err() == nil {
			j.mu.Lock()
			p, grown := j.page(seq, PageLimit), j.grown
			j.mu.Unlock()
			if len(p.Events) > 0 {
				if seq = p.Next; !yield(p) {
					return
				}
				continue
			}
			select {
			case <-grown:
			case <-ctx.Done():
			}
		}
	}
}
