package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"vipd/host/child"
)

// Target is what a check looks at, as text and understood. The zero Target is none.
type Target struct {
	text string
	kind kind
}

// kind is one way to check. It holds what the text says and nothing that changes.
type kind interface {
	// open makes what checks, once for each probe.
	open(Options) checker
	// validate says what of this host forbids to check so; nil if nothing does.
	validate() error
}

// checker does one check at a time, and returns when the context ends.
type checker interface {
	// check says in a few words what it found; an error is a failed check.
	check(context.Context) (string, error)
}

// Parse reads one of
//
//	tcp://host:port                 accepts a connection
//	http://host[:port]/path …       answers, and likewise https:// with a certificate that is verified
//	exec:/path argument …           ends with exit status 0; no shell, no quotes: blanks part the arguments
//	unit:name.service               is active
//
// where host is an address or localhost, and what may follow a web address, each
// after a blank, is
//
//	expect=200 or expect=200-299    status; 200-399 if not said
//	body="ok"                       text that the first 64 KiB of the body contain
//	insecure                        any certificate will do
func Parse(text string) (Target, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	var k kind
	var err error
	switch scheme {
	case "tcp":
		k, err = parsePort(rest)
	case "http", "https":
		k, err = parsePage(text)
	case "exec":
		k, err = parseCommand(rest)
	case "unit":
		k, err = parseUnit(rest)
	default:
		err = errors.New("want one of tcp://, http://, https://, exec:/ and unit: in front")
	}
	if err != nil {
		return Target{}, fmt.Errorf("check %q: %w", text, err)
	}
	return Target{text, k}, nil
}

// String is the text that was parsed.
func (t Target) String() string { return t.text }

// Vet says what of this host forbids the check: a command that others than root
// and this user could change, or that is not there. A check does the same each
// time before it runs a command.
func (t Target) Vet() error { return t.kind.validate() }

// VetFor is Vet for a command that runs with these rights: it says, too, why it can't be
// started with them.
func (t Target) VetFor(r child.Rights) error {
	if err := t.Vet(); err != nil {
		return err
	}
	if c, ok := t.kind.(command); ok {
		return r.CheckProgram(c.argv[0])
	}
	return nil
}

// literal says whether a host needs no resolver.
func literal(host string) error {
	if host == localhost {
		return nil
	}
	if host == "" {
		return errors.New("no host given")
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return fmt.Errorf("%s is a name: give an address or localhost, since a resolver may look from another network", host)
	}
	return nil
}
