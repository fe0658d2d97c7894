// Command attacker attacks the cluster on the network of a card, inside a network
// namespace: it refuses the namespace of process 1.
//
//	attacker record -card eth0 -for 15s -file said.pcap
//	attacker replay -card eth0 -for 1m -file said.pcap -rate 1000 [-from MAC]
//	attacker forge  -card eth0 -for 1m -file said.pcap -rate 25000 [-way "junk"] [-seed 1]
//	attacker claim  -card eth0 -for 10s -address 192.0.2.10 -mac MAC [-kind answer|gratuitous|probe] -rate 100
//	attacker answer -card eth0 -for 10s -address 192.0.2.10 -mac MAC
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"vipd/testlab/attack"
)

// order is what the command line asks for.
type order struct {
	card, file, from, address, mac, kind, way string
	port, rate                                int
	seed                                      uint64
	length                                    time.Duration
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "attacker:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("want record, replay, forge, claim or answer")
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if err := private(); err != nil {
		return err
	}
	card, err := attack.Open(o.card)
	if err != nil {
		return err
	}
	defer card.Close()
	ctx, cancel := context.WithTimeout(context.Background(), o.length)
	defer cancel()
	switch args[0] {
	case "record":
		return o.record(ctx, card)
	case "answer":
		return o.answer(ctx, card)
	}
	frames, err := o.frames(args[0])
	if err != nil {
		return err
	}
	fmt.Println("sent", card.Send(ctx, o.rate, frames))
	return nil
}

func parse(args []string) (o order, err error) {
	f := flag.NewFlagSet("attacker "+args[0], flag.ContinueOnError)
	f.StringVar(&o.card, "card", "eth0", "network `card`")
	f.StringVar(&o.file, "file", "", "capture `file` to write or to read")
	f.StringVar(&o.from, "from", "", "only what came from this hardware `address`")
	f.StringVar(&o.address, "address", "", "IP `address` to claim")
	f.StringVar(&o.mac, "mac", "", "hardware `address` that has it; the card's own if not given")
	f.StringVar(&o.kind, "kind", "answer", "answer, gratuitous or probe")
	f.StringVar(&o.way, "way", "", "one way to forge; all in turn if not given")
	f.IntVar(&o.port, "port", 7000, "UDP `port` to record")
	f.IntVar(&o.rate, "rate", 100, "frames a second; 0 is as fast as possible")
	f.Uint64Var(&o.seed, "seed", 1, "makes the same forgeries again")
	f.DurationVar(&o.length, "for", 10*time.Second, "how long")
	return o, f.Parse(args[1:])
}

// private refuses the network in which the machine itself lives.
func private() error {
	first, err := os.Stat("/proc/1/ns/net")
	if err != nil {
		return fmt.Errorf("can't tell whether this network namespace is a private one: %w", err)
	}
	own, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if os.SameFile(first, own) {
		return errors.New("this is the network of the machine: start it in a network namespace of a laboratory")
	}
	return nil
}

func (o order) record(ctx context.Context, card *attack.Card) error {
	recorder, err := card.Record(uint16(o.port))
	if err != nil {
		return err
	}
	<-ctx.Done()
	heard := recorder.Stop()
	file, err := os.Create(o.file)
	if err != nil {
		return err
	}
	fmt.Println("recorded", len(heard))
	return errors.Join(heard.Write(file), file.Close())
}

func (o order) answer(ctx context.Context, card *attack.Card) error {
	address, mac, err := o.spoofed(card.MAC)
	if err != nil {
		return err
	}
	responder, err := card.Respond(address, mac)
	if err != nil {
		return err
	}
	<-ctx.Done()
	responder.Stop()
	fmt.Println("answered", responder.Answers())
	return nil
}

// frames are what is to be sent.
func (o order) frames(verb string) (iter.Seq[[]byte], error) {
	switch verb {
	case "replay":
		heard, err := o.recording()
		return heard.Around(0), err
	case "forge":
		heard, err := o.recording()
		if err != nil || o.way == "" {
			return heard.Forged(o.seed), err
		}
		i := slices.IndexFunc(attack.Forgeries, func(f attack.Forgery) bool { return f.Name == o.way })
		if i < 0 {
			return nil, fmt.Errorf("-way %q: want one of %s", o.way, ways())
		}
		return heard.Forged(o.seed, attack.Forgeries[i]), nil
	case "claim":
		return o.claims()
	}
	return nil, fmt.Errorf("%s: want record, replay, forge, claim or answer", verb)
}

func ways() string {
	var names []string
	for _, f := range attack.Forgeries {
		names = append(names, fmt.Sprintf("%q", f.Name))
	}
	return strings.Join(names, ", ")
}

func (o order) recording() (attack.Recording, error) {
	file, err := os.Open(o.file)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	heard, err := attack.Read(file)
	if err != nil || o.from == "" {
		return heard, err
	}
	mac, err := net.ParseMAC(o.from)
	return heard.From(mac), err
}

func (o order) claims() (iter.Seq[[]byte], error) {
	card, err := net.InterfaceByName(o.card)
	if err != nil {
		return nil, err
	}
	address, mac, err := o.spoofed(card.HardwareAddr)
	if err != nil {
		return nil, err
	}
	kinds := map[string]attack.ClaimKind{"answer": attack.Answer, "gratuitous": attack.Gratuitous, "probe": attack.Probe}
	kind, known := kinds[o.kind]
	if !known {
		return nil, fmt.Errorf("-kind %s: want answer, gratuitous or probe", o.kind)
	}
	frame, err := attack.Claim{Kind: kind, Address: address, MAC: mac}.Frame()
	return attack.Repeated(frame, 0), err
}

// spoofed are the address and the hardware address that are claimed.
func (o order) spoofed(own net.HardwareAddr) (address netip.Addr, mac net.HardwareAddr, err error) {
	if address, err = netip.ParseAddr(o.address); err != nil {
		return address, nil, fmt.Errorf("-address: %w", err)
	}
	if o.mac == "" {
		return address, own, nil
	}
	mac, err = net.ParseMAC(o.mac)
	return address, mac, err
}
