package addresses

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/daemon/cluster"
)

// Hands put shared addresses on this host. Package sharedip has the real ones.
type Hands interface {
	Take(token string, epoch uint64) error // put on and announce; nothing is left on after an error
	Drop(token string) error               // when it returns nil, nothing is left on
	Announce(token string)                 // again, and twice more
	Ask(token string) (time.Time, error)   // the network, who has it; answers are events
}

// dropRetry is how soon a removal that failed is tried again: until it works
// the token cannot go elsewhere.
const dropRetry = 200 * time.Millisecond

// job is one thing for the hands to do.
type job struct {
	take  bool
	epoch uint64
}

// jobsWaiting bounds what may wait for one token's hands: the machine asks for
// the next thing only when the one before is answered.
const jobsWaiting = 4

// Worker does one token's address work, so that no token waits for another,
// and runs its hooks after it, so that no address waits for a hook.
type Worker struct {
	number int
	name   string
	hands  Hands
	jobs   chan job
	hooks  chan hookRun
	answer func(token.Event)
	log    *slog.Logger

	mu   sync.Mutex
	vip  config.VIP
	node string
}

// WorkerOptions are the surroundings of a worker.
type WorkerOptions struct {
	Node   string // this node's name
	Hands  Hands
	Answer func(token.Event) // Up, Down or Failed of this package
	Log    *slog.Logger
}

// Failed is a token.Failed with the error of the kernel.
type Failed struct {
	token.Failed
	Err error
}

// NewWorker returns the worker of the token with that number; it works while run does.
func NewWorker(number int, name string, o WorkerOptions) *Worker {
	return &Worker{number: number, name: name, node: o.Node, hands: o.Hands, answer: o.Answer, log: o.Log,
		jobs: make(chan job, jobsWaiting), hooks: make(chan hookRun, hooksWaiting)}
}

// Name is the token's name.
func (w *Worker) Name() string { return w.name }

// Take puts the addresses on, in time; it does not wait.
func (w *Worker) Take(epoch uint64) { w.enqueue(job{take: true, epoch: epoch}) }

// Drop removes the addresses, in time; it does not wait.
func (w *Worker) Drop(epoch uint64) { w.enqueue(job{epoch: epoch}) }

// Announce announces the addresses again.
func (w *Worker) Announce() { w.hands.Announce(w.name) }

// Ask asks the network which host has the addresses. An error means that it was not asked.
func (w *Worker) Ask() error {
	_, err := w.hands.Ask(w.name)
	return err
}

// Close ends the worker of a token that its number no longer belongs to.
func (w *Worker) Close() { close(w.jobs) }

// RunHooks runs the hooks that the worker wants run, until the worker has ended and no hook
// waits. report gets each failure.
func (w *Worker) RunHooks(report func(string)) { runHooks(w.hooks, report) }

// IsGroup reports whether the token is a group's, and has no address.
func (w *Worker) IsGroup() bool { return strings.HasPrefix(w.name, cluster.GroupPrefix) }

// SetVIP replaces the token's configuration.
func (w *Worker) SetVIP(vip config.VIP) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vip = vip
}

// enqueue hands over one job; it does not wait.
func (w *Worker) enqueue(j job) {
	select {
	case w.jobs <- j:
	default:
		w.log.Error("address work is stuck", "token", w.name)
	}
}

// Run works until ctx ends or the token's number is another's.
func (w *Worker) Run(ctx context.Context) {
	defer close(w.hooks)
	for {
		select {
		case <-ctx.Done():
			return
		case j, ok := <-w.jobs:
			if !ok {
				return
			}
			if j.take {
				w.take(j.epoch)
			} else {
				w.drop(ctx, j.epoch)
			}
		}
	}
}

func (w *Worker) take(epoch uint64) {
	if err := w.hands.Take(w.name, epoch); err != nil {
		w.log.Error("could not put the address up", "token", w.name, "err", err)
		w.answer(Failed{token.Failed{Token: w.number, Epoch: epoch}, err})
		return
	}
	w.answer(token.Up{Token: w.number, Epoch: epoch})
	w.hook("active", epoch)
}

// drop removes, and tries until it is done: an address that may still be on is
// never reported gone.
func (w *Worker) drop(ctx context.Context, epoch uint64) {
	for said := false; ; said = true {
		err := w.hands.Drop(w.name)
		if err == nil {
			break
		}
		if !said {
			w.log.Error("could not remove the address; trying on", "token", w.name, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(dropRetry):
		}
	}
	w.answer(token.Down{Token: w.number})
	w.hook("standby", epoch)
}

// hook has the commands for the new role run.
func (w *Worker) hook(role string, epoch uint64) {
	w.mu.Lock()
	vip, node := w.vip, w.node
	w.mu.Unlock()
	hooks := vip.OnActive
	if role == "standby" {
		hooks = vip.OnStandby
	}
	if len(hooks) == 0 {
		return
	}
	select {
	case w.hooks <- hookRun{hooks, vip.HookTimeout, hookEnvironment(node, w.name, role, epoch)}:
	default:
		w.log.Error("hooks are too slow; left out", "token", w.name, "role", role)
	}
}
