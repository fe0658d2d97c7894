package control

import "context"

// Daemon is what the server asks. Every method is called from many goroutines.
//
// Status answers from values at hand: it must not wait for the loop, so that
// a wedged loop shows as an old Status.Taken and not as silence.
//
// The other methods return when the thing is done, or an *Error. Their ctx
// ends when the caller goes away, when the server stops, and after
// ChangeLimit at the latest. The server has checked the caller's rights, and
// has replaced names: a Token or To named here is one of Status.Tokens or
// Status.Nodes, an empty Node has become the name of this node (except in a
// GroupOrder). With DryRun they change nothing and say what would happen.
type Daemon interface {
	Status() Status
	// Move gives a token to a node and pins it there. It returns when the old
	// holder has confirmed removal and the new one has announced.
	Move(ctx context.Context, r MoveRequest) (MoveResult, error)
	// Release ends an operator's move: policy decides again.
	Release(ctx context.Context, r ReleaseRequest) (Change, error)
	// Suspend makes a node unfit for every token until Resume.
	Suspend(ctx context.Context, r SuspendRequest) (Change, error)
	Resume(ctx context.Context, r ResumeRequest) (Change, error)
	// Restart makes the daemon execute itself anew and keep what it holds. It
	// returns when that is certain to begin: the answer has left before
	// Server.Run returns, and the daemon executes after that.
	Restart(ctx context.Context, r RestartRequest) (Change, error)
	// Reload takes over what the configuration file and the key file hold now. It
	// returns an *Error with what could not be taken over.
	Reload(ctx context.Context, r ReloadRequest) (Change, error)
	// Group starts, stops or restarts a service group, on one node or on every
	// one that is heard. A stop is the operator's and stays until a start. A
	// restart of a group that several nodes run goes from node to node, the
	// standby first, and on only when the one before runs again, unless Both is
	// set. The server has checked that Both goes with a restart of every node.
	Group(ctx context.Context, o GroupOrder) (Change, error)
}

// MoveRequest asks for one token to go to one node.
type MoveRequest struct {
	Token  string `json:"token"`
	To     string `json:"to"`
	Force  bool   `json:"force"` // although nobody who is heard holds it: who asks answers for the others
	DryRun bool   `json:"dry_run"`
}

// MoveResult says what one move did, or would do.
type MoveResult struct {
	Token            string  `json:"token"`
	From             string  `json:"from"` // "" when nobody held it
	To               string  `json:"to"`
	Epoch            uint64  `json:"epoch"`              // of the new grant; 0 in a dry run
	TookMS           float64 `json:"took_ms"`            // from the request to the announcement, ms; 0 in a dry run
	ExpectedOutageMS float64 `json:"expected_outage_ms"` // for a client of the address, ms; 0 for a group, whose units say how long
	DryRun           bool    `json:"dry_run"`
}

// ReleaseRequest gives a token back to policy.
type ReleaseRequest struct {
	Token  string `json:"token"`
	DryRun bool   `json:"dry_run"`
}

// SuspendRequest takes a node out of service; Node "" is the node asked.
// Force is needed when no other fit node would remain.
type SuspendRequest struct {
	Node   string `json:"node"`
	Force  bool   `json:"force"`
	DryRun bool   `json:"dry_run"`
}

// ResumeRequest brings a node back; Node "" is the node asked.
type ResumeRequest struct {
	Node   string `json:"node"`
	DryRun bool   `json:"dry_run"`
}

// RestartRequest makes the daemon execute itself anew.
type RestartRequest struct {
	DryRun bool `json:"dry_run"`
}

// ReloadRequest has the files read again. Force is needed to take over keys that a
// node which is heard now could not go on with.
type ReloadRequest struct {
	KeysOnly bool `json:"keys_only"` // the key file alone
	Force    bool `json:"force"`
}

// Change says what a request other than a move did, or would do.
type Change struct {
	Text             string       `json:"text"`               // one line for people: "hist-a is suspended"
	Moves            []MoveResult `json:"moves"`              // the tokens that moved because of it
	ExpectedOutageMS float64      `json:"expected_outage_ms"` // the longest of the moves, ms
	DryRun           bool         `json:"dry_run"`
}
