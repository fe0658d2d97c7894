package services

// Action is something to do. Hands take the orders of a unit one after the other,
// a Stop cutting the start before it short, and carry out none that is older
// than the unit's newest.
type Action interface{ action() }

// Start asks the hands to start a unit; answered by Started or StartFailed. It
// is of the newest configuration.
type Start struct {
	Group, Unit int
	Epoch       uint64
	Order       uint64
}

// Stop asks the hands to leave nothing of a unit, whatever it is doing: a start
// under way is cut short, and a dead unit may have left children. Answered by
// Stopped or StopFailed. It is of the configuration that the unit was started
// or adopted under. The same order again is another try.
type Stop struct {
	Group, Unit int
	Order       uint64
}

// Probe turns the group's checks on or off. They are on only while every unit
// should be up, and those of the newest configuration then.
type Probe struct {
	Group int
	On    bool
	Order uint64 // goes with every Result
}

// Up says that all units run and no check is sick; once more after each local
// restart and for each new epoch.
type Up struct {
	Group int
	Epoch uint64
}

// Failed says that the group was given up: nothing of it is left, and nothing
// will be started before another grant. Said at most once for a grant.
type Failed struct {
	Group int
	Epoch uint64
	Text  string
}

// Down answers Revoke: nothing of the group is left here.
type Down struct{ Group int }

// Changed says that what Look shows of the group is new, but for counts and the
// texts of checks, which come with every result.
type Changed struct{ Group int }

func (Start) action()   {}
func (Stop) action()    {}
func (Probe) action()   {}
func (Up) action()      {}
func (Failed) action()  {}
func (Down) action()    {}
func (Changed) action() {}
