package control

import "context"

// GroupStatus is one service group as it lives on the answering node. Who runs
// it elsewhere stands in the row of its token.
type GroupStatus struct {
	Name      string        `json:"name"`      // "historian"
	Kind      string        `json:"kind"`      // dataserver, historian, rtdb or plain
	Token     string        `json:"token"`     // "group:historian"
	Run       string        `json:"run"`       // both or one
	State     string        `json:"state"`     // one of the Group… constants
	Epoch     uint64        `json:"epoch"`     // of the newest grant here; 0 without one
	Text      string        `json:"text"`      // what it waits for, what does not stop, the last failure; or ""
	Restarts  int           `json:"restarts"`  // here, within the time of its allowance
	Contained string        `json:"contained"` // what keeps it from running on without the daemon
	Units     []UnitStatus  `json:"units"`     // in the order of the start
	Checks    []CheckStatus `json:"checks"`    // in the order of the file
}

// The states of a group on one node.
const (
	GroupStopped  = "stopped"
	GroupStarting = "starting"
	GroupRunning  = "running"
	GroupFailing  = "failing" // something failed; what is left is being stopped
	GroupStopping = "stopping"
	GroupBlocked  = "blocked" // it does not stop
	GroupFailed   = "failed"  // given up here
)

// UnitStatus is one unit of a group on the answering node.
type UnitStatus struct {
	Name  string `json:"name"`  // as in the file
	State string `json:"state"` // one of the Group… constants
	Text  string `json:"text"`  // why it failed or does not stop; or ""
}

// CheckStatus is what one check of a group says on the answering node.
type CheckStatus struct {
	Name    string `json:"name"` // as in the file
	Healthy bool   `json:"healthy"`
	InARow  int    `json:"in_a_row"` // newest results that are alike
	Text    string `json:"text"`     // the newest result in words
}

// The verbs of a GroupOrder.
const (
	GroupStart   = "start"   // end the operator's stop, and forgive failures
	GroupStop    = "stop"    // the operator's stop, until start
	GroupRestart = "restart" // stop and start where it runs
)

// GroupOrder is what an operator wants of a group.
type GroupOrder struct {
	Name   string `json:"name"` // one of Status.Groups
	Verb   string `json:"verb"` // start, stop or restart
	Node   string `json:"node"` // one of Status.Nodes; "" for every node that is heard
	Both   bool   `json:"both"` // restart everywhere at once, not one after the other
	DryRun bool   `json:"dry_run"`
}

func (s *Server) group(ctx context.Context, o GroupOrder) (Change, error) {
	n := namesOf(s.daemon.Status())
	err := checkName("group", o.Name, n.groups)
	if err == nil {
		err = checkName("verb", o.Verb, []string{GroupStart, GroupStop, GroupRestart})
	}
	if err == nil && o.Node != "" {
		err = n.checkNode(o.Node)
	}
	switch {
	case err != nil:
		return Change{}, err
	case o.Both && o.Verb != GroupRestart:
		return Change{}, Errorf(CodeUsage, "both is for restart alone; %s is for every node heard already", o.Verb)
	case o.Both && o.Node != "":
		return Change{}, Errorf(CodeUsage, "both and the node %s contradict each other", o.Node)
	}
	return filled(s.daemon.Group(ctx, o))
}

func (g GroupStatus) filled() GroupStatus {
	g.Units = append([]UnitStatus{}, g.Units...)
	g.Checks = append([]CheckStatus{}, g.Checks...)
	return g
}
