package main

import (
	"errors"
	"syscall"
	"time"
)

func (t *trial) cutPower() error {
	t.A.CutPower()
	return nil
}

// terminate doesn't wait for the daemon's end: the client waits for nobody either.
func (t *trial) terminate() error {
	process := t.A.Daemon.GiveUp()
	if process == nil {
		return errors.New("no daemon runs")
	}
	return process.Signal(syscall.SIGTERM)
}

func (t *trial) move() error { return t.subject.move(t.ctx, t.Pair) }

func (t *trial) pullCable() error {
	t.A.Service.Down()
	return nil
}

// failback boots hist-a again after hist-b has taken over.
func (t *trial) failback() error {
	t.A.CutPower()
	if err := t.settle(nameB); err != nil {
		return err
	}
	return t.change(t.A.Boot, nameA)
}

// killRestart kills every process of the daemon; its supervisor starts it again.
func (t *trial) killRestart() error {
	const watched = 4 * time.Second
	r, err := t.observe(func() error { return t.A.Daemon.Signal(syscall.SIGKILL) }, watched)
	t.values["answered by hist-b"] = answered(r, nameB)
	return err
}

// kill kills every process of the daemon, for good.
func (t *trial) kill() error {
	t.A.Daemon.GiveUp()
	_, err := t.observe(func() error { return t.A.Daemon.Signal(syscall.SIGKILL) }, killWatched)
	return err
}

// freeze stops every process of the daemon and lets it go on. What it announces is
// counted from then on.
func (t *trial) freeze() error {
	var thawed time.Time
	_, err := t.observe(func() error {
		if err := t.A.Daemon.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		t.wait(frozenFor)
		thawed = time.Now()
		return t.A.Daemon.Signal(syscall.SIGCONT)
	}, frozenFor+thawedWatched)
	t.values[shouted] = 0
	for _, a := range t.Witness.Announcements(thawed, time.Now()) {
		if a.Owner == nameA {
			t.values[shouted]++
		}
	}
	return err
}

// healLimit is how long a healed partition may keep the address from answering: in
// neighbours' caches that were led astray it can be most of a minute.
const healLimit = time.Minute

// partitionHeals takes hist-a off all networks, its links up, until hist-b answers;
// what is measured begins when it is back.
func (t *trial) partitionHeals() error {
	mend := []func(){t.A.Service.Isolate()}
	if t.A.Other != nil {
		mend = append(mend, t.A.Other.Isolate())
	}
	if err := t.settle(nameB); err != nil {
		return err
	}
	return t.changeWithin(func() error {
		for _, m := range mend {
			m()
		}
		return nil
	}, nameA, healLimit)
}

// oneWay loses what hist-a sends to hist-b; the client hears both.
func (t *trial) oneWay() error {
	_, err := t.observe(func() error {
		t.A.Service.CutTo(t.B.Service)
		if t.A.Other != nil {
			t.A.Other.CutTo(t.B.Other)
		}
		return nil
	}, oneWayFor)
	t.values[shouted+" a second"] = t.values[shouted] / oneWayFor.Seconds()
	return err
}

// start starts the daemon of a running host and asks its socket until it answers.
func (t *trial) start() error {
	const limit = 5 * time.Second
	if err := t.A.Daemon.Stop(t.ctx); err != nil {
		return err
	}
	from := time.Now()
	if err := t.A.Daemon.Start(); err != nil {
		return err
	}
	for time.Since(from) < limit {
		if _, err := t.A.Control().Status(t.ctx); err == nil {
			t.values["ready after"] = ms(time.Since(from))
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("the socket did not answer")
}

// size is known before anything runs.
func (t *trial) size() error {
	t.values["binary"] = float64(t.program.size) / 1e6
	return nil
}
