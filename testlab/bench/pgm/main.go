// Command pgm measures package vipd/pgm, OpenPGM and TCP side by side: on one
// LAN of namespaces, in alternating runs, so that what disturbs one disturbs
// all. Read ratios, not figures.
//
// It knows how to start contestants, how to print medians, and what ours is to
// reach beside the others. OpenPGM's part is testlab/interop/pgm/peer/openpgm.c, which it
// compiles.
//
//	 .--------.   .--------.   .--------.
//	 | source |   | recv-1 |   | recv-2 |   each a process per run
//	 '---+----'   '---+----'   '---+----'
//	-----+------------+------------+------  loses frames to receivers
//
//	go run ./testlab/bench/pgm                     everything: half an hour
//	go run ./testlab/bench/pgm -others 1           the same, most of it measured once
//	go run ./testlab/bench/pgm -goals              what the goals need: some six minutes
//	go run ./testlab/bench/pgm -runs 1 -sizes 1000 -losses 0,10 -receivers 1
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"vipd/testlab/rig"
)

// settings are the command line.
type settings struct {
	runs      int
	sizes     []int
	losses    []int // of a thousand frames
	receivers []int
	only      []string
	super     bool
	goals     bool
	others    int
	count     int
	peer      string // compiled openpgm.c, "" where it can't be had
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childWord {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	s := parse()
	if err := rig.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(77)
	}
	peer, done, err := buildPeer()
	if err != nil {
		fmt.Printf("without OpenPGM: %v\n\n", err)
	}
	defer done()
	s.peer = peer
	if err := rig.With(func(lab *rig.Lab) error {
		n, err := newNet(lab)
		if err != nil {
			return err
		}
		return compete(n, s)
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parse reads the command line.
func parse() settings {
	var s settings
	var sizes, losses, receivers, only string
	flag.IntVar(&s.runs, "runs", 5, "runs of each contestant, alternating; medians are printed")
	flag.IntVar(&s.others, "others", 0, "runs of what no goal needs; 0: as many")
	flag.StringVar(&sizes, "sizes", "100,1000,8000", "octets of messages")
	flag.StringVar(&losses, "losses", "0,1,10,50", "frames in 1000 lost on the way to each receiver")
	flag.StringVar(&receivers, "receivers", "1,2", "how many receivers")
	flag.StringVar(&only, "only", "", "contestants by name; all by default")
	flag.BoolVar(&s.super, "super", false, "let super-packets cross the switch, as between virtual machines")
	flag.BoolVar(&s.goals, "goals", false, "only what the goals need, with and without super-packets")
	flag.IntVar(&s.count, "count", 150_000, "messages of a run; a seventh of them when they are longer than a packet")
	flag.Parse()
	if s.others == 0 {
		s.others = s.runs
	}
	s.sizes, s.losses, s.receivers = numbers(sizes), numbers(losses), numbers(receivers)
	if only != "" {
		s.only = strings.Split(only, ",")
	}
	return s
}

func numbers(list string) (ns []int) {
	for _, f := range strings.Split(list, ",") {
		n, err := strconv.Atoi(f)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%q is no number\n", f)
			os.Exit(2)
		}
		ns = append(ns, n)
	}
	return ns
}
