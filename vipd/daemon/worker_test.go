package daemon

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vipd/token"
	"vipd/vipd/config"
)

func newWorker(name string, hands Hands, answers chan any) *worker {
	return &worker{number: 2, name: name, node: "hist-a", hands: hands, answer: func(ev any) { answers <- ev }, log: slog.New(slog.DiscardHandler),
		jobs: make(chan job, jobsWaiting), hooks: make(chan hookRun, hooksWaiting)}
}

// A removal is tried until it works, and only then reported.
func TestDropIsTriedUntilItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hands := &fakeHands{up: map[string]bool{front: true}, refuse: map[string]error{"drop": errors.New("busy")}}
		answers := make(chan any, 8)
		w := newWorker(front, hands, answers)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.run(ctx)
		w.ask(job{epoch: 5})
		time.Sleep(10*dropRetry - time.Millisecond)
		if n := len(hands.after(time.Time{}, "drop")); n != 10 {
			t.Errorf("tried %d times in %v, want 10", n, 10*dropRetry)
		}
		if len(answers) != 0 {
			t.Fatalf("answered %v although it is still up", <-answers)
		}
		hands.change(func() { hands.refuse = nil })
		if got := <-answers; got != any(token.Down{Token: 2}) {
			t.Errorf("answered %v", got)
		}
	})
}

// A take that is stuck in the kernel keeps no other token waiting.
func TestTokensDontWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan any, 8)
		stuck := &fakeHands{up: map[string]bool{}, hold: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		slow := newWorker("vip:slow", stuck, answers)
		fast := newWorker("vip:fast", &fakeHands{up: map[string]bool{}}, answers)
		fast.number = 3
		go slow.run(ctx)
		go fast.run(ctx)
		slow.ask(job{take: true, epoch: 1})
		fast.ask(job{take: true, epoch: 2})
		synctest.Wait()
		if len(answers) != 1 {
			t.Fatalf("%d answers, want that of the fast one", len(answers))
		}
		if got := <-answers; got != any(token.Up{Token: 3, Epoch: 2}) {
			t.Errorf("answered %v", got)
		}
		close(stuck.hold)
		if got := <-answers; got != any(token.Up{Token: 2, Epoch: 1}) {
			t.Errorf("answered %v", got)
		}
	})
}

func TestATakeThatFailsSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan any, 1)
		broken := errors.New("no room")
		w := newWorker(front, &fakeHands{up: map[string]bool{}, refuse: map[string]error{"take": broken}}, answers)
		w.set(config.VIP{OnActive: []config.Hook{{Argv: []string{"/bin/true"}}}})
		w.take(9)
		if got, want := <-answers, any(acquireFailed{token.Failed{Token: 2, Epoch: 9}, broken}); !reflect.DeepEqual(got, want) {
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
		answers := make(chan any) // nobody listens until the context has ended
		ctx, stop := context.WithCancel(t.Context())
		w := newWorker(front, &fakeHands{up: map[string]bool{}}, answers)
		w.set(config.VIP{OnStandby: []config.Hook{{Argv: []string{"/bin/true"}}}})
		go w.run(ctx)
		w.ask(job{epoch: 5})
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
	w := newWorker(front, &fakeHands{}, nil)
	w.set(config.VIP{OnActive: []config.Hook{{Argv: []string{"/bin/true"}}}})
	for range 100 {
		w.ask(job{})
		w.hook("active", 1)
	}
	if len(w.jobs) != jobsWaiting || len(w.hooks) != hooksWaiting {
		t.Errorf("%d jobs and %d hooks wait", len(w.jobs), len(w.hooks))
	}
}
