package lease

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// tableName is our table's. It changes when the meaning of its sets does.
const tableName = "vipd_lease1"

// ruleset is the layer nftables: a table of rules that drop what belongs to an
// address which is in a set of held ones and no more in a set whose elements
// time out. It outlives the process.
//
// A transaction may take as long as the kernel likes, so whoever renews only stores an
// expiry and rouses the ruleset's own thread, which tells the kernel (see applier).
type ruleset struct {
	netlink *netlink.Handle
	look    *netfilter // for audits alone
	applier

	mu         sync.Mutex // held for one transaction
	conn       *netfilter
	interfaces map[int]bool // by index
	ledger
	rules  int     // that install made
	news   []Event // for the next audit
	closed bool
}

// newRuleset opens what it takes to speak with the kernel.
func newRuleset() (*ruleset, error) {
	r := &ruleset{interfaces: make(map[int]bool), ledger: newLedger(), applier: newApplier()}
	var err error
	if r.netlink, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	if r.conn, err = dialNetfilter(); err == nil {
		r.look, err = dialNetfilter()
	}
	if err != nil {
		r.close(false)
		return nil, err
	}
	return r, nil
}

// openRuleset installs the table, in the place of an earlier daemon's.
func openRuleset(o Options) (enforcer, error) {
	r, err := newRuleset()
	if err != nil {
		return nil, err
	}
	if _, err = r.read(); err == nil {
		err = r.succeed(o)
	}
	if err != nil {
		r.close(false)
		return nil, err
	}
	r.start(r.apply)
	return r, nil
}

// install makes the whole table anew in one transaction, so that no packet
// meets half of it. r.mu is held, or nobody else knows r yet.
func (r *ruleset) install() error {
	for i := range attempts {
		began, allowed := boot.Now(), allowance<<i
		if err := r.build(began.Add(allowed)); err != nil {
			return err
		}
		if boot.Now().Sub(began) <= allowed+tardy {
			return nil
		}
	}
	return r.build(clock.Never)
}

// build is one transaction; the lives of leases are counted from now.
func (r *ruleset) build(now clock.Instant) error {
	links := make([]netlink.Link, 0, len(r.interfaces))
	for index := range r.interfaces {
		link, err := r.netlink.LinkByIndex(index)
		if err != nil {
			delete(r.interfaces, index) // it went away, and the address with it
			continue
		}
		links = append(links, link)
	}
	list := r.all()
	sets := newSets()
	table := sets[0].held.Table
	r.conn.AddTable(table)
	r.conn.DelTable(table)
	r.conn.AddTable(table)
	for _, s := range sets {
		held, live := elements(list, s, now)
		if err := errors.Join(r.conn.AddSet(s.held, nil), r.conn.AddSet(s.live, nil)); err != nil {
			return fmt.Errorf("encode sets: %w", err)
		}
		inBatches(held, func(part []nftables.SetElement) { r.conn.SetAddElements(s.held, part) })
		inBatches(live, func(part []nftables.SetElement) { r.conn.SetAddElements(s.live, part) })
	}
	rules := r.addChains(table, sets, links)
	if err := r.conn.Flush(); err != nil {
		return fmt.Errorf("install table %s: %w", tableName, err)
	}
	r.rules = rules
	if now == clock.Never {
		list = ended(list)
	}
	r.tell(list)
	return nil
}

// addChains queues the chains of the interfaces, and counts their rules.
func (r *ruleset) addChains(table *nftables.Table, sets []family, links []netlink.Link) (rules int) {
	for _, link := range links {
		for _, c := range chainsOf(table, link) {
			r.conn.AddChain(c)
			for _, e := range rulesOf(c, sets) {
				r.conn.AddRule(&nftables.Rule{Table: table, Chain: c, Exprs: e})
				rules++
			}
		}
	}
	return rules
}

// elements is what belongs into the sets of one family.
func elements(list []lifetime, s family, now clock.Instant) (held, live []nftables.SetElement) {
	for _, x := range list {
		if x.address.Is4() != s.ip4 {
			continue
		}
		held = append(held, nftables.SetElement{Key: setKey(x.address)})
		if e, ok := liveElement(x, now); ok {
			live = append(live, e)
		}
	}
	return held, live
}

func (r *ruleset) adopted() (map[netip.Addr]*atomic.Int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ledger.adopted(), nil
}

func (r *ruleset) enter(addresses []netip.Addr) (cells []*atomic.Int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unknown := slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return r.cells[a] != nil })
	eachFamily(unknown, func(s family, part []nftables.SetElement) { r.conn.SetAddElements(s.held, part) })
	err = r.conn.Flush()
	r.add(unknown)
	if errors.Is(err, unix.ENOENT) {
		err = r.reinstall()
	}
	if err != nil {
		r.remove(unknown)
		return nil, err
	}
	for _, address := range addresses {
		cells = append(cells, r.cells[address])
	}
	return cells, nil
}

// forget removes the addresses from both sets. Each is added first, so that the
// removal of what someone else removed, or what has timed out, is no error.
func (r *ruleset) forget(addresses []netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(addresses)
	eachFamily(addresses, func(s family, part []nftables.SetElement) {
		for _, set := range []*nftables.Set{s.held, s.live} {
			r.conn.SetAddElements(set, part)
			r.conn.SetDeleteElements(set, part)
		}
	})
	err := r.conn.Flush()
	if errors.Is(err, unix.ENOENT) {
		err = r.reinstall()
	}
	return err
}

// eachFamily gives do the addresses of each family as elements of its sets, no more at
// a time than fit one message.
func eachFamily(addresses []netip.Addr, do func(family, []nftables.SetElement)) {
	for _, s := range newSets() {
		var elements []nftables.SetElement
		for _, address := range addresses {
			if address.Is4() == s.ip4 {
				elements = append(elements, nftables.SetElement{Key: setKey(address)})
			}
		}
		inBatches(elements, func(part []nftables.SetElement) { do(s, part) })
	}
}

func (r *ruleset) guard(index int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	link, err := r.netlink.LinkByIndex(index)
	if err != nil {
		return err
	}
	added := []int{index}
	if below := link.Attrs().ParentIndex; link.Type() == "macvlan" && below != 0 {
		added = append(added, below) // it answers for addresses of the macvlan too
	}
	if !slices.ContainsFunc(added, func(i int) bool { return !r.interfaces[i] }) {
		return nil
	}
	for _, i := range added {
		r.interfaces[i] = true
	}
	return r.install()
}

func (r *ruleset) close(clean bool) error {
	if !r.end() {
		return errors.New("the kernel does not end a transaction: the lease stays as it is")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	var err error
	if !clean && r.look != nil {
		err = r.tellChanged() // what was renewed last is to outlive this process
	}
	if clean {
		table := newSets()[0].held.Table
		r.conn.AddTable(table)
		r.conn.DelTable(table)
		err = r.conn.Flush()
	}
	clear(r.cells) // a late renewal finds nothing to write
	r.netlink.Close()
	r.conn.close()
	r.look.close()
	return err
}
