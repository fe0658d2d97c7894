package lease

import (
	"time"

	"github.com/google/nftables"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// stuck is for how long a transaction may last before it is told of.
const stuck = 2 * time.Second

// audit looks whether all sets, chains and rules are there. A transaction that is under
// way is not waited for.
func (r *ruleset) audit() []Event {
	if !r.mu.TryLock() {
		if err := r.trouble(); err != nil && r.stuck() {
			return []Event{{"table " + tableName, err}}
		}
		return nil
	}
	want, news := r.expected(), r.news
	r.news = nil
	r.mu.Unlock()
	if len(news) > 0 {
		return news
	}
	if got, err := r.count(); err == nil && got == want {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if got, err := r.count(); err == nil && got == r.expected() {
		return nil // it was in the making before
	}
	present := len(r.interfaces)
	err := r.install()
	if err == nil && len(r.interfaces) < present {
		return nil // chains went away with their interface
	}
	return []Event{{"table " + tableName, err}}
}

// stuck reports whether something waits for too long to be told to the kernel.
func (r *ruleset) stuck() bool {
	since := r.waiting.Load()
	return since != 0 && boot.Now().Sub(clock.Instant(since)) > stuck
}

// census is how much there is of the table's parts.
type census struct{ rules, held int }

func (r *ruleset) expected() census { return census{r.rules, len(r.cells)} }

// count asks the kernel.
func (r *ruleset) count() (c census, err error) {
	err = r.look.within(func() (err error) {
		c, err = r.ask()
		return err
	})
	return c, err
}

func (r *ruleset) ask() (c census, err error) {
	chains, err := r.look.ListChainsOfTableFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return c, err
	}
	for _, chain := range chains {
		if chain.Table.Name != tableName {
			continue
		}
		list, err := r.look.GetRules(chain.Table, chain)
		if err != nil {
			return c, err
		}
		c.rules += len(list)
	}
	for _, s := range newSets() {
		list, err := r.look.GetSetElements(s.held)
		if err != nil {
			return c, err
		}
		c.held += len(list)
	}
	return c, nil
}
