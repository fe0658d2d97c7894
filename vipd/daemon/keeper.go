package daemon

import (
	"context"
	"log/slog"
	"time"

	"vipd/token"
	"vipd/vipd/node"
)

// keeper writes the disk for the loop, one thing after another, and answers
// with events.
type keeper struct {
	store  *store
	asks   chan node.Action
	answer func(any)
	name   func(number int) string
	log    *slog.Logger
	full   bool // the last write failed
	owed   owed
	report func(error)
}

// owed is what the disk refused and what is in force all the same. It goes with the next
// write that succeeds.
type owed struct {
	reserve   *token.ReserveEpochs
	suspended *bool
	halted    map[string]bool
}

// pay adds what is owed to a state that is about to be written.
func (o *owed) pay(s *stored) {
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

// asksWaiting bounds what may wait for the disk: one record per token at most.
const asksWaiting = 2048

func (k *keeper) ask(a node.Action) {
	if s, ok := a.(token.PersistRecord); ok {
		a = named{k.name(s.Token), s}
	}
	select {
	case k.asks <- a:
	default:
		k.log.Error("the disk is too slow; a state change is lost")
	}
}

// named is a record with the name that its number had when it was asked for.
type named struct {
	name string
	token.PersistRecord
}

func (k *keeper) run(ctx context.Context) {
	again := time.NewTicker(retryDisk)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-k.asks:
			if next := k.together(a); next != nil {
				k.do(next)
			}
		case <-again.C:
			if k.full {
				k.change(func(*stored) {})
			}
		}
	}
}

// together writes what is asked with one file if it is a record, and with it the records
// that wait behind: many tokens may change at once. It returns what is asked next, nil if
// nothing waits.
func (k *keeper) together(a node.Action) node.Action {
	var records []named
	for r, ok := a.(named); ok; r, ok = a.(named) {
		records = append(records, r)
		select {
		case a = <-k.asks:
		default:
			a = nil
		}
	}
	if len(records) > 0 {
		k.write(records)
	}
	return a
}

// write writes the records, and answers for each.
func (k *keeper) write(records []named) {
	err := k.change(func(s *stored) {
		for _, r := range records {
			s.Records[r.name] = kept(r.Record)
		}
	})
	for _, r := range records {
		k.answer(token.RecordPersisted{Token: r.Token, OK: err == nil})
	}
}

// do writes what is asked. Epochs that the disk refuses to reserve may be granted all the
// same, or a host without room on its disk would serve nothing; they are reserved as soon
// as the disk can. A record is different: what depends on it waits.
func (k *keeper) do(a node.Action) {
	switch a := a.(type) {
	case named:
		k.write([]named{a})
	case token.ReserveEpochs:
		owed := a
		if k.owed.reserve != nil {
			owed.HighWater = max(owed.HighWater, k.owed.reserve.HighWater)
		}
		k.owed.reserve = &owed
		k.change(func(*stored) {})
		k.answer(token.EpochsReserved{HighWater: a.HighWater, Timed: a.Timed, OK: true})
	case peerStart:
		k.change(func(s *stored) { s.keepPeerStart(a) })
	case ownStart:
		if k.change(func(s *stored) { s.keepStart(a.above) }) == nil && a.begin {
			k.answer(restartNow{})
		}
	case node.KeepStoppedGroups:
		if k.owed.halted == nil {
			k.owed.halted = map[string]bool{}
		}
		k.owed.halted[a.Name] = a.On
		k.change(func(*stored) {})
	case node.KeepSuspended:
		k.owed.suspended = &a.On
		k.change(func(*stored) {})
	}
}

// change writes with f what is owed, and says once when the disk begins to refuse and when
// it is well again.
func (k *keeper) change(f func(*stored)) error {
	err := k.store.change(func(s *stored) { k.owed.pay(s); f(s) })
	if err == nil {
		k.owed = owed{}
	}
	if failed := err != nil; failed != k.full {
		k.full = failed
		k.report(err)
	}
	return err
}
