package daemon

import (
	"context"
	"log/slog"

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
	report func(error)
}

// asksWaiting bounds what may wait for the disk: one record per token at most.
const asksWaiting = 2048

func (k *keeper) ask(a node.Action) {
	if s, ok := a.(token.Store); ok {
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
	token.Store
}

func (k *keeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-k.asks:
			k.do(a)
		}
	}
}

func (k *keeper) do(a node.Action) {
	switch a := a.(type) {
	case named:
		r := a.Store.Record
		err := k.change(func(s *stored) { s.Records[a.name] = heldFor{Epoch: r.Epoch, Holder: r.Holder, To: r.To} })
		k.answer(token.Recorded{Token: a.Token, OK: err == nil})
	case token.Reserve:
		err := k.change(func(s *stored) { s.HighWater = max(s.HighWater, a.HighWater) })
		k.answer(token.Reserved{HighWater: a.HighWater, OK: err == nil})
	case peerStart:
		k.change(func(s *stored) { s.keepPeerStart(a) })
	case node.KeepHalted:
		k.change(func(s *stored) { s.halt(a.Name, a.On) })
	case node.KeepSuspended:
		k.change(func(s *stored) { s.Suspended = a.On })
	}
}

// change writes, and says once when the disk begins to refuse and when it is
// well again.
func (k *keeper) change(f func(*stored)) error {
	err := k.store.change(f)
	if failed := err != nil; failed != k.full {
		k.full = failed
		k.report(err)
	}
	return err
}
