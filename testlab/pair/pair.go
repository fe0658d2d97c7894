// Package pair is the laboratory's usual scene: two hosts with a failover daemon each,
// the networks between them, a client that asks the shared address without pause, and
// a witness that asks who has it.
//
// It knows how to switch the hosts on and off, how to start, stop and supervise their
// daemons, and when the address answers steadily. It never judges what was seen, and
// doesn't care whose daemon it is: a Program says how to run it.
//
//	           client 192.0.2.100     witness 192.0.2.99
//	                 │ asks 192.0.2.10      │ asks who has it
//	─────────────────┴──────────┬───────────┴───────────── service LAN
//	       192.0.2.11           │          192.0.2.12
//	  ┌──────────────────┐      │     ┌──────────────────┐
//	  │ hist-a   daemon  ├──────┴─────┤ hist-b   daemon  │
//	  └────────┬─────────┘            └────────┬─────────┘
//	      198.51.100.1                    198.51.100.2
//	───────────┴───────────────────────────────┴────────── redundancy cable
package pair

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"vipd/testlab/rig"
)

// The names of the two hosts; A is the one of higher priority.
const (
	NameA = "hist-a"
	NameB = "hist-b"
)

const (
	// ServicePort is where the hosts' responders listen.
	ServicePort = 7777

	serviceLAN = "service"
	redundancy = "redundancy"

	witnessEvery = 2 * time.Millisecond
)

// Shared is the address that moves.
var Shared = netip.MustParsePrefix("192.0.2.10/24")

// SteadyFor is how long a host must answer alone and without a break before it is said
// to answer; StepLimit is how long that may take to come about.
const (
	SteadyFor = 600 * time.Millisecond
	StepLimit = 20 * time.Second
)

// ErrInterrupted: the caller's context was cancelled.
var ErrInterrupted = errors.New("interrupted")

// Pair is the scene. Close ends what watches; the hosts end with the lab.
type Pair struct {
	A, B    *Node
	Client  *rig.Host
	Eye     *rig.Host // the witness is in
	Front   *rig.Port // the client's card
	EyePort *rig.Port // the witness's card
	Probe   *rig.Probe
	Witness *rig.Witness
}

// New builds client, witness and two machines that are not switched on yet. With
// onePath there is no redundancy cable.
func New(lab *rig.Lab, program Program, onePath bool) *Pair {
	p := &Pair{
		A: newNode(lab, program, NameA, onePath, "192.0.2.11/24", "198.51.100.1/24"),
		B: newNode(lab, program, NameB, onePath, "192.0.2.12/24", "198.51.100.2/24"),
	}
	p.Client = lab.Host("client")
	p.Front = p.Client.Plug(lab.Switch(serviceLAN), "eth0", netip.MustParsePrefix("192.0.2.100/24"))
	p.Probe = p.Client.Probe(netip.AddrPortFrom(Shared.Addr(), ServicePort))
	p.Eye = lab.Host("witness")
	p.EyePort = p.Eye.Plug(lab.Switch(serviceLAN), "eth0", netip.MustParsePrefix("192.0.2.99/24"))
	p.Witness = p.EyePort.Witness(Shared.Addr(), witnessEvery)
	return p
}

// Boot switches both machines on.
func (p *Pair) Boot() error {
	for _, n := range []*Node{p.A, p.B} {
		if err := n.Boot(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends client and witness; what they saw can still be read.
func (p *Pair) Close() {
	p.Probe.Close()
	p.Witness.Close()
}

// Steady waits until that host answers, alone and without a break.
func (p *Pair) Steady(ctx context.Context, name string) error {
	return p.SteadyWithin(ctx, name, StepLimit)
}

// SteadyWithin is Steady with a limit of the caller's.
func (p *Pair) SteadyWithin(ctx context.Context, name string, limit time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := p.Probe.Steady(bounded, name, SteadyFor)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return ErrInterrupted
	case ctx.Err() != nil:
		return fmt.Errorf("%s had not answered steadily when the time was over", name)
	}
	return fmt.Errorf("%s did not answer steadily within %v", name, limit)
}

// LastWords is the end of what each daemon wrote.
func (p *Pair) LastWords() string { return p.A.Daemon.words() + p.B.Daemon.words() }
