package addresses

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vipd/testlab/standin"
	"vipd/token"
	"vipd/vipd/config"
)

func newTestWorker(name string, hands Hands, answers chan token.Event) *Worker {
	return NewWorker(2, name, WorkerOptions{Node: "hist-a", Hands: hands, Answer: func(ev token.Event) { answers <- ev }, Log: slog.New(slog.DiscardHandler)})
}

// A removal is tried until it works, and only then reported.
func TestDropIsTriedUntilItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hands := &standin.Addresses{Up: map[string]bool{"vip:front": true}, Refuse: map[string]error{"drop": errors.New("busy")}}
		answers := make(chan token.Event, 8)
		w := newTestWorker("vip:front", hands, answers)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.Run(ctx)
		w.enqueue(job{epoch: 5})
		time.Sleep(10*dropRetry - time.Millisecond)
		if n := len(hands.After(time.Time{}, "drop")); n != 10 {
			t.Errorf("tried %d times in %v, want 10", n, 10*dropRetry)
		}
		if len(answers) != 0 {
			t.Fatalf("answered %v although it is still up", <-answers)
		}
		hands.Change(func() { hands.Refuse = nil })
		if got := <-answers; got != token.Event(token.Down{Token: 2}) {
			t.Errorf("answered %v", got)
		}
	})
}

// A take that is stuck in the kernel keeps no other token waiting.
func TestTokensDontWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan token.Event, 8)
		stuck := &standin.Addresses{Up: map[string]bool{}, Block: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		slow := newTestWorker("vip:slow", stuck, answers)
		fast := newTestWorker("vip:fast", &standin.Addresses{Up: map[string]bool{}}, answers)
		fast.number = 3
		go slow.Run(ctx)
		go fast.Run(ctx)
		slow.enqueue(job{take: true, epoch: 1})
		fast.enqueue(job{take: true, epoch: 2})
		synctest.Wait()
		if len(answers) != 1 {
			t.Fatalf("%d answers, want that of the fast one", len(answers))
		}
		if got := <-answers; got != token.Event(token.Up{Token: 3, Epoch: 2}) {
			t.Errorf("answered %v", got)
		}
		close(stuck.Block)
		if got := <-answers; got != token.Event(token.Up{Token: 2, Epoch: 1}) {
			t.Errorf("answered %v", got)
		}
	})
}

func TestATakeThatFailsSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan token.Event, 1)
		broken := errors.New("no room")
		w := newTestWorker("vip:front", &standin.Addresses{Up: map[string]bool{}, Refuse: map[string]error{"take": broken}}, answers)
		w.SetVIP(config.VIP{OnActive: []config.Hook{{Argv: []string{"/bin/true"}}}})
		w.take(9)
		if got, want := <-answers, token.Event(Failed{token.Failed{Token: 2, Epoch: 9}, broken}); !reflect.DeepEqual(got, want) {
			t.Errorf("answered %v, want %v", got, want)
		}
		if len(w.hooks) != 0 {
			t.Error("hooks were told of a take that failed")
		}
	})
}

// At a stop the command for standby is queued before the worker's hooks end.
func TestAStopWaitsForItsHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan token.Event) // nobody listens until the context has ended
		ctx, stop := context.WithCancel(t.Context())
		w := newTestWorker("vip:front", &standin.Addresses{Up: map[string]bool{}}, answers)
		w.SetVIP(config.VIP{OnStandby: []config.Hook{{Argv: []string{"/bin/true"}}}})
		go w.Run(ctx)
		w.enqueue(job{epoch: 5})
		synctest.Wait()
		stop()
		<-answers
		run, ok := <-w.hooks
		if !ok || run.env[3] != "VIPD_ROLE=standby" {
			t.Fatalf("got %+v", run)
		}
		if _, more := <-w.hooks; more {
			t.Error("the hooks don't end with their worker")
		}
	})
}

// Jobs and hooks are bounded: what finds no room is left out, and nothing waits.
func TestWorkerIsBounded(t *testing.T) {
	w := newTestWorker("vip:front", &standin.Addresses{}, nil)
	w.SetVIP(config.VIP{OnActive: []config.Hook{{Argv: []string{"/bin/true"}}}})
	for range 100 {
		w.enqueue(job{})
		w.hook("active", 1)
	}
	if len(w.jobs) != jobsWaiting || len(w.hooks) != hooksWaiting {
		t.Errorf("%d jobs and %d hooks wait", len(w.jobs), len(w.hooks))
	}
}
