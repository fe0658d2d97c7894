package lease

import "github.com/google/nftables"

// audit looks whether all sets, chains and rules are there.
func (r *ruleset) audit() []Event {
	r.mu.Lock()
	want := r.expected()
	r.mu.Unlock()
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

// census is how much there is of the table's parts.
type census struct{ rules, held int }

func (r *ruleset) expected() census { return census{r.rules, len(r.cells)} }

// count asks the kernel.
func (r *ruleset) count() (c census, err error) {
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
