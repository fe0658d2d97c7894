package unit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"vipd/host/child"
)

// A Unit is one service on this host. Its methods may be called from any
// goroutine, and wait for one another; Died of the Options must not call them.
type Unit interface {
	// Name is the text that the unit was made from.
	Name() string

	// Start starts the service with the environment. What an earlier run left
	// is killed first. The service runs when Start returns nil; whether it is
	// ready is for checks to say.
	Start(ctx context.Context, env Env) error

	// Stop ends the service: politely, after the stop timeout by force. It
	// returns nil when nothing of the service is left, else an error that names
	// what is. Death is not told from here on. When ctx ends Stop gives up,
	// with nothing killed that was still asked politely.
	Stop(ctx context.Context) error

	// Adopt finds out whether the service runs since before this process did,
	// and watches it if so. After (false, nil) nothing of it is left.
	Adopt(ctx context.Context) (running bool, err error)

	// Close ends the watching. The service runs on.
	Close() error
}

// A Checker is a unit that can say beforehand why it can't be started, or
// shouldn't be ours to start. Both back-ends are.
type Checker interface {
	Check(ctx context.Context) error
}

// Env is what a service is told about its grant.
type Env struct {
	Epoch uint64 // VIPD_EPOCH: the fencing number
	Token string // VIPD_TOKEN
	Node  string // VIPD_NODE
	Role  string // VIPD_ROLE: active or standby
}

// list is the environment of a process, which gets nothing else.
func (e Env) list() []string {
	return append(e.own(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

// own is what we alone know.
func (e Env) own() []string {
	return []string{
		fmt.Sprintf("VIPD_EPOCH=%d", e.Epoch),
		"VIPD_TOKEN=" + e.Token, "VIPD_NODE=" + e.Node, "VIPD_ROLE=" + e.Role,
	}
}

// Options are what a unit needs of its surroundings. Group and Dir are required.
type Options struct {
	Group       string            // name of the service group
	Dir         string            // run-time files, in a folder per group; gone at the next boot: /run/vipd/units
	Exclusive   bool              // one node at most runs it: its processes stay in a control group of the group's own, and nobody but us starts it again
	StopTimeout time.Duration     // from asking to killing; 0: DefaultStopTimeout
	Rights      child.Rights      // what a process of ours runs with; systemd's services have their own
	Died        func(text string) // told of a death that nobody asked for; may be nil
	Log         *slog.Logger      // nil: silent
	Cgroup      string            // where cgroup2 is mounted; empty: where the kernel says
	Bus         string            // D-Bus address of systemd; empty: the system bus, for root also systemd's own socket
	DropIns     string            // run-time units of systemd; empty: /run/systemd/system
}

// Times within which a service ends.
const (
	DefaultStopTimeout = 10 * time.Second
	killLimit          = time.Second // from SIGKILL until the last process is gone
)

const execScheme = "exec:"

// New makes the unit that the text names: NAME.service of systemd, or
// exec:/path with arguments. Nothing is started. It refuses a text it doesn't
// understand, and a process where the host gives it no control group.
func New(text string, o Options) (Unit, error) {
	if o.StopTimeout == 0 {
		o.StopTimeout = DefaultStopTimeout
	}
	if o.Died == nil {
		o.Died = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("group", o.Group, "unit", text)
	if err := plainName(o.Group); err != nil {
		return nil, fmt.Errorf("unit %q: group %q: %w", text, o.Group, err)
	}
	var made Unit
	var err error
	switch {
	case strings.HasPrefix(text, execScheme):
		made, err = newProcess(text, o)
	case strings.HasSuffix(text, ".service"):
		made, err = newService(text, o)
	default:
		err = fmt.Errorf("neither NAME.service nor %s/path", execScheme)
	}
	if err != nil {
		return nil, fmt.Errorf("unit %q: %w", text, err)
	}
	return made, nil
}

// nameMax bounds a name that becomes a folder, in octets.
const nameMax = 128

// reservedPrefix begins the names of the kernel's own files in a control group.
const reservedPrefix = "cgroup."

// plainName says why a name can't be that of a folder.
func plainName(name string) error {
	switch {
	case name == "" || len(name) > nameMax:
		return fmt.Errorf("want 1 to %d characters", nameMax)
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, reservedPrefix) || strings.ContainsFunc(name, unfit):
		return fmt.Errorf("want letters, digits and any of _ - . and no dot in front")
	}
	return nil
}

// unfit says whether a rune has no place in the name of a folder.
func unfit(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-.", r))
}
