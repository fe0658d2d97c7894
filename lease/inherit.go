package lease

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/google/nftables"

	"vipd/host/boot"
)

// succeed installs the table over what was read, and over an earlier daemon's
// programs, which this one may not use.
func (r *ruleset) succeed(o Options) error {
	f := filters{r.netlink}
	installed, err := f.all()
	if err != nil {
		return err
	}
	for h := range installed {
		r.interfaces[h.index] = true
		for _, address := range o.Addresses {
			if r.cells[address] == nil {
				r.cells[address] = new(atomic.Int64)
			}
		}
	}
	lo, err := r.netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	r.interfaces[lo.Attrs().Index] = true
	if err := r.install(); err != nil {
		return err
	}
	for h := range installed {
		if err := f.detach(h); err != nil {
			return fmt.Errorf("remove program from interface %d: %w", h.index, err)
		}
	}
	return nil
}

// read takes in an earlier daemon's table, if there is one.
func (r *ruleset) read() (found bool, err error) {
	err = r.conn.within(func() (err error) {
		found, err = r.readTable()
		return err
	})
	return found, err
}

func (r *ruleset) readTable() (found bool, err error) {
	tables, err := r.conn.ListTablesOfFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return false, fmt.Errorf("list tables: %w", err)
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == tableName }) {
		return false, nil
	}
	return true, errors.Join(r.readSets(), r.readInterfaces())
}

// readSets takes in what an earlier daemon's sets hold.
func (r *ruleset) readSets() error {
	began := boot.Now()
	for _, s := range newSets() {
		held, err := r.conn.GetSetElements(s.held)
		if err != nil {
			return fmt.Errorf("read set %s: %w", s.held.Name, err)
		}
		live, err := r.conn.GetSetElements(s.live)
		if err != nil {
			return fmt.Errorf("read set %s: %w", s.live.Name, err)
		}
		for _, e := range held {
			if address, ok := keyAddress(e.Key); ok {
				r.cells[address] = new(atomic.Int64)
			}
		}
		for _, e := range live {
			address, _ := keyAddress(e.Key)
			if cell := r.cells[address]; cell != nil {
				cell.Store(int64(began.Add(e.Expires)))
			}
		}
	}
	return nil
}

// readInterfaces takes in which interfaces an earlier daemon's chains are on.
func (r *ruleset) readInterfaces() error {
	chains, err := r.conn.ListChainsOfTableFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		if index := chainIndex(c.Name); c.Table.Name == tableName && index != 0 {
			r.interfaces[index] = true
		}
	}
	return nil
}
