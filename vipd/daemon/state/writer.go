package state

import (
	"context"
	"log/slog"
	"time"

	"vipd/token"
	"vipd/vipd/node"
)

// Request is a change that the disk is to keep.
type Request interface {
	// write makes the change durable and answers for it.
	write(*Writer)
}

// Record keeps what a token's machine has to know after a restart. The answer is a
// token.RecordPersisted.
type Record struct {
	Name string // the token's, as its number is reused by a reload
	token.PersistRecord
}

// Epochs reserves epochs. The answer is a token.EpochsReserved.
type Epochs struct{ token.ReserveEpochs }

// PeerStart keeps the start counter of a peer's proved session, so that after a restart of
// this node recordings of earlier sessions are refused before the peer is heard.
type PeerStart struct {
	Slot  uint8
	Start uint64
}

// OwnStart keeps that the next start counter of this node must be above this one. With
// Begin, WriterOptions.Restart is called then, also if the disk refuses: a session without
// a start counter is heard, one with too low a counter never is.
type OwnStart struct {
	Above uint64
	Begin bool
}

// StoppedGroup keeps whether an operator stopped a group here.
type StoppedGroup struct{ node.KeepStoppedGroups }

// Suspension keeps whether an operator suspended this node.
type Suspension struct{ On bool }

// WriterOptions are the functions that a Writer calls, on its own goroutine.
type WriterOptions struct {
	Answer  func(token.Event)
	Restart func()      // begins a new session
	Report  func(error) // the disk begins to refuse, or with nil takes writes again
	Log     *slog.Logger
}

// Writer writes the disk for the loop, one request after another, and answers with
// events. A request never waits for the disk.
type Writer struct {
	store *Store
	queue chan Request
	WriterOptions
	full bool // the last write failed
	owed owed
}

// NewWriter returns a writer to the store; it works while Run does.
func NewWriter(s *Store, o WriterOptions) *Writer {
	return &Writer{store: s, queue: make(chan Request, requestsWaiting), WriterOptions: o}
}

// owed is what the disk refused and what is in force all the same. It goes with the next
// write that succeeds.
type owed struct {
	reserve   *token.ReserveEpochs
	suspended *bool
	halted    map[string]bool
}

// pay adds what is owed to a state that is about to be written.
func (o *owed) pay(s *State) {
	if o.reserve != nil {
		s.HighWater, s.Timed = max(s.HighWater, o.reserve.HighWater), o.reserve.Timed
	}
	if o.suspended != nil {
		s.Suspended = *o.suspended
	}
	for name, on := range o.halted {
		s.halt(name, on)
	}
}

// retryDisk is how soon a disk that refuses is tried again.
const retryDisk = 5 * time.Second

// requestsWaiting bounds the requests that wait for the disk: one record per token at most.
const requestsWaiting = 2048

// Enqueue hands over a request; it does not wait. A request that finds no room is lost and
// logged.
func (w *Writer) Enqueue(r Request) {
	select {
	case w.queue <- r:
	default:
		w.Log.Error("the disk is too slow; a state change is lost")
	}
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	again := time.NewTicker(retryDisk)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-w.queue:
			if next := w.batch(r); next != nil {
				next.write(w)
			}
		case <-again.C:
			if w.full {
				w.change(func(*State) {})
			}
		}
	}
}

// batch writes a request that is a record together with the records that wait behind it:
// many tokens may change at once. It returns the request to write next, nil if there is
// none.
func (w *Writer) batch(next Request) Request {
	var records []Record
	for r, ok := next.(Record); ok; r, ok = next.(Record) {
		records = append(records, r)
		select {
		case next = <-w.queue:
		default:
			next = nil
		}
	}
	if len(records) > 0 {
		w.writeRecords(records)
	}
	return next
}

// writeRecords writes the records with one file, and answers for each.
func (w *Writer) writeRecords(records []Record) {
	err := w.change(func(s *State) {
		for _, r := range records {
			s.Records[r.Name] = kept(r.Record)
		}
	})
	for _, r := range records {
		w.Answer(token.RecordPersisted{Token: r.Token, OK: err == nil})
	}
}

func (r Record) write(w *Writer) { w.writeRecords([]Record{r}) }

// Epochs that the disk refuses to reserve may be granted all the same, or a host without
// room on its disk would serve nothing; they are reserved as soon as the disk can. A record
// is different: a taking that depends on it waits.
func (e Epochs) write(w *Writer) {
	owed := e.ReserveEpochs
	if w.owed.reserve != nil {
		owed.HighWater = max(owed.HighWater, w.owed.reserve.HighWater)
	}
	w.owed.reserve = &owed
	w.change(func(*State) {})
	w.Answer(token.EpochsReserved{HighWater: e.HighWater, Timed: e.Timed, OK: true})
}

func (p PeerStart) write(w *Writer) { w.change(func(s *State) { s.keepPeerStart(p) }) }

func (o OwnStart) write(w *Writer) {
	w.change(func(s *State) { s.keepStart(o.Above) })
	if o.Begin {
		w.Restart()
	}
}

func (g StoppedGroup) write(w *Writer) {
	if w.owed.halted == nil {
		w.owed.halted = map[string]bool{}
	}
	w.owed.halted[g.Name] = g.On
	w.change(func(*State) {})
}

func (s Suspension) write(w *Writer) {
	w.owed.suspended = &s.On
	w.change(func(*State) {})
}

// change writes with f what is owed, and says once when the disk begins to refuse and when
// it is well again.
func (w *Writer) change(f func(*State)) error {
	err := w.store.change(func(s *State) { w.owed.pay(s); f(s) })
	if err == nil {
		w.owed = owed{}
	}
	if failed := err != nil; failed != w.full {
		w.full = failed
		w.Report(err)
	}
	return err
}
