package services

// Event is something that happened. One that names a group, unit or check that
// is not there, or an order that is not the newest, changes nothing.
type Event interface{ event() }

// Tick is the passing of time: the deadline was reached.
type Tick struct{}

// Grant says that the token is held here: the group may run. Epochs grow; one
// that is not above the last is an old grant. A newer one while the group runs
// is the same grant under a new number: the group goes on.
type Grant struct {
	Group int
	Epoch uint64
}

// Revoke takes the grant back; always answered by Down.
type Revoke struct{ Group int }

// Pause says whether the grant can't be relied on for now: no unit is started meanwhile.
// What runs or is being started goes on.
type Pause struct {
	Group int
	On    bool
}

// Adopt says at start what an earlier run of the daemon left. It grants, and
// presumes the checks healthy. To clear away what was found without a token, it
// is followed by Revoke.
type Adopt struct {
	Group   int
	Epoch   uint64
	Running []bool // per unit
}

// Started says that the unit runs. Order is that of the Start.
type Started struct {
	Group, Unit int
	Order       uint64
}

// StartFailed says that the unit could not be started.
type StartFailed struct {
	Group, Unit int
	Order       uint64 // of the Start
	Text        string
}

// Died says that a unit ended by itself.
type Died struct {
	Group, Unit int
	Order       uint64 // of the Start it lived by, 0 if it was adopted
	Text        string
}

// Stopped says that nothing of the unit is left.
type Stopped struct {
	Group, Unit int
	Order       uint64 // of the Stop
}

// StopFailed says that something of the unit is left.
type StopFailed struct {
	Group, Unit int
	Order       uint64 // of the Stop
	Text        string // what is left
}

// Result is one result of a check.
type Result struct {
	Group, Check int
	Order        uint64 // of the Probe
	OK           bool
	Text         string
}

// Reset is an operator's pardon: spent restarts and a giving up are forgotten,
// so that the next Grant starts as the first; a stop that failed is tried at
// once.
type Reset struct{ Group int }

// Restart is an operator's wish: stop and start here, under the same grant. It
// is not counted.
type Restart struct{ Group int }

// Reconfigure replaces the groups by those of a new configuration. A group keeps
// its number as long as its name is there. One that is gone is stopped; one with
// other units is stopped as it was and started as it is to be; other changes
// disturb no unit.
type Reconfigure struct{ Specs []Spec }

func (Tick) event()        {}
func (Grant) event()       {}
func (Revoke) event()      {}
func (Pause) event()       {}
func (Adopt) event()       {}
func (Started) event()     {}
func (StartFailed) event() {}
func (Died) event()        {}
func (Stopped) event()     {}
func (StopFailed) event()  {}
func (Result) event()      {}
func (Reset) event()       {}
func (Restart) event()     {}
func (Reconfigure) event() {}
