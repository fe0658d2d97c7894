package standin

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"vipd/sharedip"
)

// Deed is one change that was asked of Addresses.
type Deed struct {
	At    time.Time
	What  string // take, drop, announce, renew
	Token string
	epoch uint64
}

// Addresses stand in for the address manager of a host: each change is done at once,
// unless a test has it refused or blocked.
type Addresses struct {
	mu         sync.Mutex
	deeds      []Deed
	Up         map[string]bool
	sets       []sharedip.Set
	Refuse     map[string]error // by verb
	Block      chan struct{}    // take and drop wait for it
	Unfit      error            // Ready's answer
	Neighbours []sharedip.Station
}

func (f *Addresses) do(what, name string, epoch uint64) error {
	f.mu.Lock()
	hold := f.Block
	f.mu.Unlock()
	if hold != nil && (what == "take" || what == "drop") {
		<-hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deeds = append(f.deeds, Deed{time.Now(), what, name, epoch})
	return f.Refuse[what]
}

func (f *Addresses) Take(name string, epoch uint64) error {
	err := f.do("take", name, epoch)
	f.Set(name, err == nil)
	return err
}

func (f *Addresses) Drop(name string) error {
	err := f.do("drop", name, 0)
	if err == nil {
		f.Set(name, false)
	}
	return err
}

func (f *Addresses) Set(name string, up bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Up[name] = up
}

// Ask finds nobody: no answer ever comes.
func (f *Addresses) Ask(name string) (time.Time, error) { return time.Now(), f.do("ask", name, 0) }

func (f *Addresses) Heard(string) time.Time { return time.Now() }

func (f *Addresses) Announce(name string) { f.do("announce", name, 0) }

func (f *Addresses) Renew() error { return f.do("renew", "", 0) }

func (f *Addresses) Check() []error { return nil }

func (f *Addresses) Close() {}

func (f *Addresses) Configure(sets []sharedip.Set) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets = slices.Clone(sets)
	owner := map[netip.Addr]string{}
	for _, s := range sets {
		for _, a := range s.Addresses {
			if other := owner[a.Prefix.Addr()]; other != "" {
				return fmt.Errorf("%s belongs to %s and %s", a.Prefix.Addr(), other, s.Token)
			}
			owner[a.Prefix.Addr()] = s.Token
		}
	}
	return nil
}

func (f *Addresses) Ready(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.sets, func(s sharedip.Set) bool { return s.Token == name }) {
		return fmt.Errorf("%s: no such token", name)
	}
	return f.Unfit
}

func (f *Addresses) Glance() {}

func (f *Addresses) Carried(int) {}

func (f *Addresses) Defend(name string, _ netip.Addr) { f.do("defend", name, 0) }

func (f *Addresses) Stations() []sharedip.Station {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Neighbours
}

func (f *Addresses) Held() (map[string][]netip.Prefix, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := map[string][]netip.Prefix{}
	for name, up := range f.Up {
		if up {
			held[name] = make([]netip.Prefix, 1)
		}
	}
	return held, nil
}

// Configured are the sets that the hands were given last.
func (f *Addresses) Configured() []sharedip.Set {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sets)
}

func (f *Addresses) Holds(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Up[name]
}

// After returns what was done since, but for renewals.
func (f *Addresses) After(since time.Time, what ...string) (list []Deed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.deeds {
		if !d.At.Before(since) && slices.Contains(what, d.What) {
			list = append(list, d)
		}
	}
	return list
}

func (f *Addresses) Change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}
