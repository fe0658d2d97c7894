package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// loopsPerCore is how many programs that never wait share each core with everything
// else, client and witness included.
const loopsPerCore = 2

// coreVariable makes this program one that does nothing but keep the core it names busy.
const coreVariable = "VIPD_BENCH_BUSY_CORE"

const flips = "flips"

// load keeps every core busy and watches whether anything moves that need not. The
// loops run in a host of their own, so that they end with the lab if not before.
func (t *trial) load() error {
	host := t.lab.Host("load")
	defer host.Destroy()
	var loops []*rig.Proc
	from := time.Now()
	_, err := t.observe(func() (err error) {
		loops, err = startLoops(host)
		return err
	}, t.lasts)
	t.values[flips] = float64(changes(t.Probe.Answered, from, time.Now()))
	if slices.ContainsFunc(loops, func(p *rig.Proc) bool { return !p.Alive() }) {
		return errors.New("a busy loop ended by itself")
	}
	return err
}

// startLoops starts this program as busy loops, at the priority it has itself.
func startLoops(host *rig.Host) (loops []*rig.Proc, err error) {
	cores, err := ownCores()
	if err != nil {
		return nil, err
	}
	for _, core := range cores {
		for range loopsPerCore {
			p, err := host.Start(rig.Process{Path: "/proc/self/exe", Env: []string{coreVariable + "=" + strconv.Itoa(core)}})
			if err != nil {
				return loops, err
			}
			loops = append(loops, p)
		}
	}
	return loops, nil
}

// ownCores lists the cores that this process may use.
func ownCores() (cores []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask for the cores: %w", err)
	}
	for core := 0; len(cores) < set.Count(); core++ {
		if set.IsSet(core) {
			cores = append(cores, core)
		}
	}
	return cores, nil
}

// burn keeps the core busy until the process is killed. It returns only if it can't.
func burn(core string) error {
	n, err := strconv.Atoi(core)
	if err != nil {
		return fmt.Errorf("%s: %w", coreVariable, err)
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(n)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("stay on core %d: %w", n, err)
	}
	for turns := uint64(0); ; turns++ {
	}
}

// changes counts how often the other host began to answer between from and to, with
// hist-a answering at first. Answered is rig.Probe's.
func changes(answered func(who string, from time.Time) (time.Time, bool), from, to time.Time) (n int) {
	for next, other := nameB, nameA; ; next, other = other, next {
		at, ok := answered(next, from)
		if !ok || !at.Before(to) {
			return n
		}
		n, from = n+1, at.Add(1)
	}
}
