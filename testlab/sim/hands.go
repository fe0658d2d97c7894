package sim

import (
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/services"
	"vipd/sharedip/announce"
	"vipd/token"
	"vipd/vipd/node"
)

// do is the host's hands, disk and thread that beats.
func (h *Host) do(now clock.Instant, a node.Action) {
	w := h.world
	if many, ok := a.(*token.Leases); ok {
		for _, one := range many.List {
			h.do(now, one)
		}
		return
	}
	w.check.action(h, a)
	switch a := a.(type) {
	case *node.Payload:
		h.sender.SetPayload(a.Payload)
	case heartbeat.Send:
		h.say(a)
	case token.Lease:
		h.lease(a)
	case token.Acquire:
		if !w.isGroup(a.Token) {
			h.acquire(a)
		}
	case token.Drop:
		if w.isGroup(a.Token) {
			return
		}
		h.after(w.handsTime(), func() { h.takeDown(a.Token) })
	case token.Probe:
		h.ask(a.Token)
	case token.Announce:
		h.announce(a.Token, a.Epoch)
	case token.PersistRecord:
		h.after(w.diskTime(), func() {
			if !h.disk.broken {
				h.disk.records[a.Token] = a.Record
				if a.Record.Promised {
					w.check.promises(h, a.Token)
				}
			}
			h.step(token.RecordPersisted{Token: a.Token, OK: !h.disk.broken})
		})
	case token.ReserveEpochs:
		h.after(h.diskWait(), func() {
			if !h.disk.broken {
				h.disk.highWater, h.disk.timed = a.HighWater, a.Timed
			}
			h.step(token.EpochsReserved{HighWater: a.HighWater, Timed: a.Timed, OK: !h.disk.broken})
		})
	case heartbeat.SessionReplaced:
		h.outranked(a)
	case services.Action:
		h.service(a)
	case node.KeepStoppedGroups:
		h.disk.halted[a.Name] = a.On
	case node.KeepSuspended:
		h.disk.suspended = a.On
	case node.Flush:
		h.socket = nil
		h.listen()
	case node.Exit:
		h.Kill()
	case node.Reexec:
		h.reexec(now, a.Awaited)
	}
}

// diskWait is how long a reservation takes from now on: one is written after the other.
func (h *Host) diskWait() time.Duration {
	h.diskAt = max(h.diskAt, h.world.Now+int64(h.world.diskTime()))
	return time.Duration(h.diskAt - h.world.Now)
}

// lease writes the kernel's expiry.
func (h *Host) lease(a token.Lease) {
	if h.world.isGroup(a.Token) {
		h.page(a)
	}
	if a.Limit != 0 {
		h.kernel[a.Token].epoch = a.Epoch
	}
	if until, ok := h.sender.Grant(a, h.now()); ok {
		h.write(a.Token, until)
	}
}

func (h *Host) write(i int, until clock.Instant) {
	h.kernel[i].page = until
	if h.hands.leaseRefused && !h.world.isGroup(i) {
		h.refuse(i, until)
		return
	}
	h.kernel[i].expiry = until
	if h.world.isGroup(i) {
		h.gangOf(i).renew()
	}
	h.world.check.answering(h, i)
}

// refuse is for a lease that the kernel does not take: the old one stands. What is
// silent by that is given up.
func (h *Host) refuse(i int, until clock.Instant) {
	k := &h.kernel[i]
	if now := h.now(); k.up && until > now && k.expiry <= now {
		h.after(0, func() { h.step(token.Failed{Token: i, Epoch: k.epoch}) })
	}
}

func (h *Host) acquire(a token.Acquire) {
	w := h.world
	h.after(w.handsTime(), func() {
		k := &h.kernel[a.Token]
		if !h.machine.Tokens().Owns(a.Token, a.Epoch) {
			return
		}
		if h.clumsy || h.hands.fail() || w.Plan.HandsFail > 0 && w.random.below(1000) < w.Plan.HandsFail {
			h.step(token.Failed{Token: a.Token, Epoch: a.Epoch})
			h.distrust(a.Token)
			return
		}
		k.up, k.since = true, h.now()
		w.check.answering(h, a.Token)
		h.announce(a.Token, k.epoch)
		h.step(token.Up{Token: a.Token, Epoch: a.Epoch})
	})
}

// announce tells the LAN when the product's Announcer says so, up to the refresh. Each time
// it asks whether the token is still held.
func (h *Host) announce(i int, epoch uint64) {
	begin, announcer := time.Time{}.Add(time.Second), announce.Announcer{}
	announcer.Begin(begin)
	announcer.StopProof()
	for range announce.Repeats {
		due := announcer.Due()
		h.after(due.Sub(begin), func() {
			if h.machine.Tokens().Owns(i, epoch) && h.kernel[i].up && !h.linkOff[i] {
				h.world.check.announced(h, i)
			}
		})
		announcer.Sent(due, 1, 1)
	}
}

// ask asks the clients' network who has the address. A kernel that has it
// answers, if its lease lasts; a daemon that hasn't sees that we ask.
func (h *Host) ask(i int) {
	asked := h.now()
	for _, slot := range h.world.proxied(i) {
		if !h.linkOff[i] {
			h.after(h.world.random.upTo(time.Millisecond), func() { h.step(token.ProbeAnswered{Token: i, Peer: slot, Asked: asked}) })
		}
	}
	for _, o := range h.world.Hosts {
		if o == h || !h.world.lan(h, o, i) {
			continue
		}
		h.after(h.world.random.upTo(time.Millisecond), func() {
			if o.Answers(i) && h.world.lan(h, o, i) {
				h.step(token.ProbeAnswered{Token: i, Peer: o.Slot, Asked: asked})
			}
			if !o.kernel[i].up {
				o.step(token.PeerProbes{Token: i, Peer: h.Slot})
			}
		})
	}
}

// say sends one message, or all its pages, to one node or to all.
func (h *Host) say(s heartbeat.Send) {
	now := h.now()
	if h.sender.Stuck(now) {
		return
	}
	h.world.check.speaking(h)
	for page, more := 0, true; more; page++ {
		d := h.world.datagram(h)
		d.message, more = h.sender.Compose(s, page, now, h.wallNow())
		h.sender.Renew(h.write)
		h.world.send(h, s, d)
	}
}

// outranked has the disk keep what the next start must be above, and begins that start
// where the peers don't listen to this one.
func (h *Host) outranked(a heartbeat.SessionReplaced) {
	h.after(h.world.diskTime(), func() {
		if !h.disk.broken {
			h.disk.start = max(h.disk.start, a.Start)
		}
		if h.start != 0 {
			h.Kill()
			h.world.At(h.world.Now+int64(20*time.Millisecond), h.Start)
		}
	})
}

// reexec replaces the daemon by a new one. Leases that have not been ended last
// Grace if the peers wait for it, else as they stand.
func (h *Host) reexec(now clock.Instant, awaited bool) {
	if h.machine == nil {
		return // it has just exited
	}
	if awaited {
		h.sender.Extend(now, now.Add(node.Grace), h.write)
	}
	h.Kill()
	h.world.At(h.world.Now+int64(20*time.Millisecond), h.Start)
}
