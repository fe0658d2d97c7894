package watchdog

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/cgroup"
)

// ErrKilled says that the watchdog has killed the group, or is about to: its lease
// had been out for longer than Grace.
var ErrKilled = errors.New("killed by the keeper")

// Page is the daemon's side: which groups are guarded, and until when. There is one
// writer for each run directory. Its methods may be called from any goroutine.
type Page struct {
	mu   sync.Mutex // held for a few stores
	file *pageFile
	rows map[string]int // by path
}

// Guarded is a guard as it stands.
type Guarded struct {
	Path   string
	Expiry clock.Instant
	Status Status
}

// OpenPage opens the page of a run directory. Guards of an earlier
// daemon of this boot stay: see Guards, and Guard or Release each.
func OpenPage(runDir string) (*Page, error) {
	this, err := boot.ReadID()
	if err != nil {
		return nil, fmt.Errorf("open page of groups: %w", err)
	}
	s, err := openPageFile(runDir)
	if err != nil {
		return nil, err
	}
	if !s.valid(this) {
		s.layOut(this)
	}
	p := &Page{file: s, rows: make(map[string]int)}
	for i := range MaxGroups {
		if r, ok := s.read(i); ok && r.state.status() != free {
			p.rows[r.path] = i
		}
	}
	return p, nil
}

// Guard has the watchdog kill the control group at path, an absolute one in a cgroup2
// file system, Grace after until, unless it is renewed before. Call it when the
// group is there and before a process is in it. A guard that holds already is
// renewed; one that was killed or refused, or was of a group that has been made
// anew, begins again.
func (p *Page) Guard(path string, until clock.Instant) error {
	r, err := identify(path)
	if err != nil {
		return fmt.Errorf("guard %s: %w", path, err)
	}
	now := boot.Now()
	if r.expiry = until; until.Add(Grace) < now || until > now.Add(MaxAhead) {
		return fmt.Errorf("guard %s: expiry in %v: want at most %v, and not over already", path, until.Sub(now), MaxAhead)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i, err := p.place(path)
	if err != nil {
		return fmt.Errorf("guard %s: %w", path, err)
	}
	if p.renewed(i, r) {
		return nil
	}
	at := p.file.state(i)
	none := state(at.Load()).become(free)
	at.Store(uint64(none))
	p.file.write(i, r)
	at.Store(uint64(none.armed())) // from here on it counts
	p.rows[path] = i
	return nil
}

// renewed renews the guard if the row holds it and is armed.
func (p *Page) renewed(i int, r row) bool {
	was, ok := p.file.read(i)
	if !ok || was.state.status() != Armed || was.path != r.path || was.ID != r.ID {
		return false
	}
	p.file.field(i, rowExpiry).Store(uint64(r.expiry))
	return state(p.file.state(i).Load()) == was.state
}

// place finds the row of a path, or a free one.
func (p *Page) place(path string) (int, error) {
	if i, ok := p.rows[path]; ok {
		return i, nil
	}
	for i := range MaxGroups {
		if state(p.file.state(i).Load()).status() == free {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%d groups are the most", MaxGroups)
}

// Renew moves the expiry of a guard, also to an earlier instant; one that is past
// has the group killed at once if it is past by Grace. It is one store, without
// allocation. The error is ErrKilled when the group has been killed.
func (p *Page) Renew(path string, until clock.Instant) error {
	if until > boot.Now().Add(MaxAhead) {
		return fmt.Errorf("renew %s: more than %v ahead", path, MaxAhead)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.move(path, until)
}

// End has a guard expire now, unless it has expired already: a wait for the end of
// the group counts from there. The error is as of Renew.
func (p *Page) End(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := boot.Now()
	if i, ok := p.rows[path]; ok {
		until = min(until, p.file.expiry(i))
	}
	return p.move(path, until)
}

// move sets the expiry of a guard. p.mu is held.
func (p *Page) move(path string, until clock.Instant) error {
	i, ok := p.rows[path]
	if !ok {
		return fmt.Errorf("renew %s: not guarded", path)
	}
	p.file.field(i, rowExpiry).Store(uint64(until))
	// The watchdog marks the row before it kills, so this store came in time if the
	// row is still armed after it; or the next renewal tells.
	switch state(p.file.state(i).Load()).status() {
	case Armed:
		return nil
	case Refused:
		return fmt.Errorf("renew %s: refused by the keeper, whose log says why", path)
	}
	return fmt.Errorf("renew %s: %w", path, ErrKilled)
}

// Release ends the guard without a kill. Call it when no process is left in the
// group.
func (p *Page) Release(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ok := p.rows[path]
	if !ok {
		return
	}
	at := p.file.state(i)
	at.Store(uint64(state(at.Load()).become(free)))
	delete(p.rows, path)
}

// Guards lists the rows that are not free, in no order.
func (p *Page) Guards() (list []Guarded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, i := range p.rows {
		list = append(list, Guarded{path, p.file.expiry(i), state(p.file.state(i).Load()).status()})
	}
	return list
}

// Looked is when the watchdog looked at the page last, at least every half second; 0
// if none has yet.
func (p *Page) Looked() clock.Instant { return clock.Instant(p.file.Word(atLooked).Load()) }

// Close unmaps the page. Guards stay in force.
func (p *Page) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.rows)
	return p.file.Close()
}

// identify finds out which directory a control group is.
func identify(path string) (row, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || len(path) > pathLimit {
		return row{}, fmt.Errorf("want an absolute path without detours, of at most %d octets", pathLimit)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return row{}, err
	}
	defer unix.Close(fd)
	id, err := cgroup.Identify(fd)
	if err != nil {
		return row{}, err
	}
	if err := unix.Faccessat(fd, cgroup.KillFile, unix.W_OK, 0); err != nil {
		return row{}, fmt.Errorf("%s: %w (needs Linux 5.14)", cgroup.KillFile, err)
	}
	return row{ID: id, path: path}, nil
}
