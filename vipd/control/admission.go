package control

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Bounds of the connections of one server.
const (
	// maxConnections is how many connections are open at a time.
	maxConnections = 256
	// rootReserve is how many of them only root and the daemon's own user get.
	rootReserve = 16
	// cutBurst and cutRate bound how many connections are cut to make room for
	// others, at once and each second: a caller that connects again and again
	// must not keep the daemon busy.
	cutBurst = 2048
	cutRate  = 2000
	// cutLogEvery is how often the log says that connections were cut.
	cutLogEvery = 10 * time.Second
)

// phase is how far a connection has come.
type phase uint8

// Phases, in the order in which connections are cut.
const (
	phaseSending   phase = iota // its request has not come whole
	phaseAnswering              // it is given what it asked to read
	phaseWorking                // a change that the caller may order, or a stream of events: not cut
)

// admission decides which connections stay open. A new one always gets in while
// another can be cut for it, so that slow callers never keep others waiting.
type admission struct {
	own uint32 // the daemon's user
	log *slog.Logger

	mu      sync.Mutex
	open    []*conn // in the order of their coming
	cut     int     // since the log said so
	said    time.Time
	credit  float64 // cuts that are allowed now
	counted time.Time
}

func newAdmission(own uint32, log *slog.Logger) *admission {
	return &admission{own: own, log: log, credit: cutBurst, counted: time.Now()}
}

// privileged reports whether the reserve is for this caller.
func (a *admission) privileged(c Caller) bool { return c.UID == 0 || c.UID == a.own }

// admit takes a connection in, and cuts another one for it where there is no room.
// It returns false when all the others are at work. The pause is how long the
// caller is to wait before it takes the next connection.
func (a *admission) admit(c *conn) (ok bool, pause time.Duration) {
	victim, pause, ok := a.enter(c)
	if victim != nil {
		victim.Close()
	}
	return ok, pause
}

func (a *admission) enter(c *conn) (victim *conn, pause time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	root := a.privileged(c.caller)
	if a.full(root) {
		if victim = a.victim(root); victim == nil {
			return nil, 0, false
		}
		a.drop(victim)
		pause = a.charge(victim.caller)
	}
	a.open = append(a.open, c)
	return victim, pause, true
}

// full reports whether a caller of this kind finds no free place.
func (a *admission) full(root bool) bool {
	if len(a.open) >= maxConnections {
		return true
	}
	return !root && a.ordinary() >= maxConnections-rootReserve
}

func (a *admission) ordinary() (n int) {
	for _, c := range a.open {
		if !a.privileged(c.caller) {
			n++
		}
	}
	return n
}

// victim is the connection to cut for another one: of the user with the most of them,
// the one that came first, one that is still sending before one that is read an
// answer. Root's are not cut for others.
func (a *admission) victim(forRoot bool) *conn {
	count := map[uint32]int{}
	for _, c := range a.open {
		count[c.caller.UID]++
	}
	var found *conn
	for _, c := range a.open {
		root := a.privileged(c.caller)
		if c.phase == phaseWorking || root && !forRoot {
			continue
		}
		if found == nil || a.before(c, found, count) {
			found = c
		}
	}
	return found
}

// before reports whether c is to be cut rather than the other, which came earlier.
func (a *admission) before(c, other *conn, count map[uint32]int) bool {
	if p, q := a.privileged(c.caller), a.privileged(other.caller); p != q {
		return q
	}
	if c.phase != other.phase {
		return c.phase < other.phase
	}
	return count[c.caller.UID] > count[other.caller.UID]
}

// charge notes a cut and returns how long to wait before the next one.
func (a *admission) charge(who Caller) time.Duration {
	now := time.Now()
	a.credit = min(cutBurst, a.credit+now.Sub(a.counted).Seconds()*cutRate) - 1
	a.counted = now
	a.cut++
	if now.Sub(a.said) >= cutLogEvery {
		a.log.Warn("control: connections were cut to make room for others", "cut", a.cut, "uid", who.UID, "pid", who.PID)
		a.said, a.cut = now, 0
	}
	if a.credit >= 0 {
		return 0
	}
	return time.Second / cutRate
}

// leave gives a connection's place back.
func (a *admission) leave(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(c)
}

func (a *admission) drop(c *conn) {
	if i := slices.Index(a.open, c); i >= 0 {
		a.open = slices.Delete(a.open, i, i+1)
	}
}

// advance notes how far a connection has come.
func (a *admission) advance(c *conn, p phase) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.phase = p
}
