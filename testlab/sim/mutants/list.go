package main

// mutant is one planted fault.
type mutant struct {
	name     string
	file     string // from the module's root
	old, new string // old must be there exactly once
}

// suite is mutants that are to be found in the same way.
type suite struct {
	kinds   string // of trouble in the schedules; "": the usual ones; noSchedules: only by the machines' own tests
	mutants []mutant
}

// noSchedules are the kinds of what no schedule is likely to show.
const noSchedules = "-"

var suites = []suite{{"", mutants}, {noSchedules, rare}}

// rare are faults that show in moments which schedules hardly ever have.
var rare = []mutant{
	{"later-session-ignored-by-who-heard-nothing", "token/link.go",
		"if p.link.silent && !later {", "if p.link.silent && !p.heardEver {"},
	{"adopted-beside-a-peer-that-does-not-hear-us-yet", "heartbeat/receive.go",
		"if p.expectProof(now, r) {", "if p.expectProof(now, r) && p.Session != 0 {"},
	{"promise-said-before-the-disk-has-it", "token/promise.go",
		"return t.kept.Promised && t.record.Promised", "return t.promises()"},
	{"promise-forgotten-by-a-start", "token/record.go",
		"	t.record, t.kept = e.Record, e.Record\n", "	e.Record.Promised = false\n	t.record, t.kept = e.Record, e.Record\n"},
	{"relied-on-what-was-promised-before", "token/promise.go",
		"p.complete && t.promisedAt != 0 && p.acked >= t.promisedAt", "p.complete"},
	{"relied-on-after-the-file-changed", "token/promise.go",
		"\treturn t.spec.Bits&DisableInheritance != 0 && t.claims[i].relied\n", "\treturn t.claims[i].relied && t.claims[i].Promises\n"},
	{"said-to-be-off-before-the-disk-has-it", "token/promise.go",
		"return t.spec.Bits&DisableInheritance != 0 || t.record.relies() || t.kept.relies()", "return t.spec.Bits&DisableInheritance != 0"},
	{"holder-by-record-without-promises", "token/record.go",
		"(t.phase == Taking || t.phase == Holding) && t.allWaitForReport()", "(t.phase == Taking || t.phase == Holding) && t.durable()"},
	{"taken-while-a-record-is-written", "token/take.go",
		"m.config.Booting || t.writing {", "m.config.Booting {"},
	{"answer-withdrawn-with-each-page", "token/handover.go",
		"if !m.offerMayStand(q, h) {", "if true {"},
	{"alone-beside-a-stranger-tells-nobody", "token/lease.go",
		"alone = alone || m.peers[j].link.silent &&", "alone = alone || m.peers[j].heardEver && m.peers[j].link.silent &&"},
	{"old-proof-leaves-no-check", "token/peer.go",
		"!m.came(q, p, proofOld)", "q.now < m.at(p, proofOld)"},
	{"question-ends-the-start", "token/machine.go",
		"	if t.phase == Idle && m.listens {", "	if m.endListening(q); t.phase == Idle && m.listens {"},
	{"clients-network-never-used", "heartbeat/lan.go",
		"p.lanUntil = now.Add(m.config.Dead)", "p.lanUntil = 0"},
	{"unproved-answers-block-for-ever", "token/probe.go",
		"if q.reached(at.Add(UnprovedFor)) {", "if false {"},
	{"clients-network-only-where-unheard", "heartbeat/lan.go",
		"clock.Min(p.ordinary, p.mutual)", "p.ordinary"},
	{"stall-not-noticed", "token/machine.go",
		"			p.unread = q.now\n", ""},
	{"adopted-lease-for-ever", "token/hold.go",
		"m.adoptLease(t, clock.Min(e.Expiry, now.Add(m.config.Lease)))", "m.adoptLease(t, now.Add(10*m.config.Lease))"},
	{"grace-on-every-word", "token/link.go",
		"	if !l.silent {\n		return false\n	}\n	if long {", "	if long = true; long {"},
	{"fitness-forgotten-in-silence", "token/peer.go",
		"\tif v.eligibleSince != 0 {\n\t\tv.eligibleSince = now\n\t}", "\tv.eligibleSince = 0"},
	{"lease-that-ran-out-unseen-revives", "token/lease.go",
		"	if q.now >= t.lease.limit {\n", "	if false {\n"},
	{"token-that-left-the-file-binds-no-peer", "token/rank.go",
		"t.spec.Members == nil || ", ""},
	{"earlier-start-is-listened-to", "heartbeat/receive.go",
		"(p.isRetired(r.Session) || r.Start != 0 && r.Start < p.least())", "p.isRetired(r.Session)"},
	{"failback-cap-ignored", "token/handover.go",
		"return t.spec.FailbackCap == 0 || len(moves)", "return true || len(moves)"},
	{"new-session-renews-the-lease", "token/link.go",
		"	return l.boundUntil\n", "	return now.Add(lease)\n"},
	{"late-send-renews", "token/leasestate.go",
		"case sent >= t.expiry && sent < t.limit:", "case false:"},
	{"lapsed-lease-revives-alone", "token/lease.go",
		"\t\tcase t.lease.state == expired:\n\t\t\tlimit = clock.Min(limit, m.echoLimit(t, i))\n", ""},
	{"deaf-rival-binds-at-once", "token/lease.go",
		"\treturn m.peers[i].link.separatedUntil.Add(aloneEvery + probeTrip)\n", "\treturn 0\n"},
	{"lease-that-ran-out-drops-at-once", "token/lease.go",
		"t.lease.expire(t.lease.limit.Add((m.config.Dead - m.config.Lease) / 2))", "t.lease.expire(t.lease.limit)"},
	{"no-announcement-after-a-meeting", "token/conflict.go",
		"case t.conflicted && t.phase == Holding:", "case false:"},
	{"unfit-word-binds-for-long", "token/lease.go",
		"return p.arrived.Add(m.config.Interval * 3 / 2)", "return p.arrived.Add(m.config.Dead * 2)"},
	{"group-lease-ended-at-the-drop", "token/hold.go",
		"if !t.spec.StopBeforeRelease || ended {", "if !t.spec.StopBeforeRelease || !ended {"},
	{"group-lease-revives-while-it-goes-down", "token/record.go",
		"case q.now >= t.lease.limit, q.reached(limit), t.bits", "case q.reached(limit), t.bits"},
	{"epoch-of-an-earlier-run-ignored", "token/machine.go",
		"t.seen = max(t.seen, ev.Seen)", "_ = t"},
	{"given-up-group-is-resumed", "vipd/node/boot.go",
		"token.AllowMultiple != 0 && lease.Expiry != 0:", "token.AllowMultiple != 0 && lease != (Left{}):"},
}

// mutants are faults that somebody might make while changing the rules.
var mutants = []mutant{
	{"unit-started-under-a-lease-that-ran-out", "vipd/node/groups.go",
		"		m.pause(now)\n", ""},
	{"taker-waits-less-than-a-lease", "token/peer.go",
		"return p.unsolicited.Add(p.absence + d)", "return p.unsolicited.Add(p.absence + d*3/5)"},
	{"taker-of-a-group-waits-less-than-a-lease", "token/peer.go",
		"return p.heard.Add(p.absence + d)", "return p.heard.Add(p.absence + d*3/5)"},
	{"asks-do-not-count", "vipd/node/convert.go",
		"Unsolicited: w.Unsolicited,", "Unsolicited: w.Unsolicited && w.Message.Kind == heartbeat.Beat,"},
	{"lease-from-now", "token/lease.go",
		"return max(p.link.boundUntil, v.grace, m.ineligibleLimit(p, v), m.deafLimit(q, t, i))", "return max(q.now.Add(m.config.Lease), v.grace)"},
	{"taker-ignores-what-is-known", "token/take.go",
		"m.echoFresh(q, p) && p.acked >= t.publishedAt && m.claim(t) == t.published", "m.echoFresh(q, p)"},
	{"taker-ignores-that-peer-holds", "token/take.go",
		"if !p.complete || v.holds() {", "if !p.complete {"},
	{"reordered-words-count", "heartbeat/receive.go",
		"word.Fresh = r.Message.Seq > p.seq\n	if !word.Fresh && word.Echoed <= p.Echo {", "word.Fresh = true\n	if false {"},
	{"lost-edition-not-asked-for", "heartbeat/peer.go",
		"if m.Revision != g.revision || g.n == 0 {", "if m.Pages > 0 && (m.Revision != g.revision || g.n == 0) {"},
	{"alone-without-silence", "token/link.go",
		"	until[Querying] = p.heard.Add(patience)\n	until[Pending] = max(p.unread.Add(patience), p.pending.Add(deaf))", "	until[Querying] = p.heard.Add(patience - patience)\n	until[Pending] = p.pending.Add(deaf)"},
	{"alone-beside-an-unproven-session", "heartbeat/receive.go",
		"\t\tm.actions = append(m.actions, SessionPending{From: p.Slot, Later: r.Start > p.proven && (p.Session != 0 || p.proven != 0)})\n", ""},
	{"session-counts-unproved", "heartbeat/receive.go",
		"if word.NewSession && (echo.Sent == 0 || p.behind(r)) {", "if word.NewSession && p.Session != 0 && (echo.Sent == 0 || p.behind(r)) {"},
	{"session-counts-after-a-silence", "heartbeat/receive.go",
		"if word.NewSession && (echo.Sent == 0 || p.behind(r)) {", "if word.NewSession && (echo.Sent == 0 && p.Silence(now) <= m.config.Dead || p.behind(r)) {"},
	{"old-echo-proves", "heartbeat/receive.go",
		"	if now.Sub(h.Sent) > m.config.Dead {\n		h.Sent = 0\n	}\n", ""},
	{"pending-is-answered", "heartbeat/receive.go",
		"	m.drops[Unproven]++\n", "	m.drops[Unproven]++\n	m.actions = append(m.actions, Send{Kind: Reply, To: r.From, Path: r.Path})\n"},
	{"pending-is-not-echoed", "heartbeat/peer.go",
		"if q.session != 0 && now.Sub(q.heard) <= dead {", "if false {"},
	{"kept-back-counts", "heartbeat/peer.go",
		"return p.aheadAt != 0 && p.aheadBy", "return false && p.aheadBy"},
	{"gone-back-is-not-told", "heartbeat/machine.go",
		"(silent || p.Start < least)", "(silent && p.Start > least || p.Start < least)"},
	{"freeze-not-noticed", "heartbeat/machine.go",
		"frozen, late := now.Sub(m.last) > m.config.Dead", "frozen, late := now.Sub(m.last) > 1000*m.config.Dead"},
	{"epoch-not-persisted", "token/machine.go",
		"seen: seen<<8 | uint64(m.config.Self)", "seen: seen & 0"},
	{"epoch-below-the-time-of-day", "token/epoch.go",
		"return max(Counter(seen)+1, floor)", "return max(Counter(seen)+1, floor/8*8)"},
	{"epoch-without-slot", "token/epoch.go",
		"t.epoch = m.epochs.after(now, t.seen)<<8 | uint64(m.config.Self)", "t.epoch = m.epochs.after(now, t.seen) << 8"},
	{"loser-keeps", "token/conflict.go",
		"v.Verb == Yield && v.To == m.config.Self && v.About == t.epoch || ", ""},
	{"meeting-by-shorter-tenure", "token/conflict.go",
		"return own < other", "return own > other"},
	{"released-before-down", "token/record.go",
		"if !t.removed || t.writing", "if t.writing"},
	{"inheritance-not-disabled", "token/take.go",
		"\tif t.durable() && q.reached(t.overrideUntil) {\n\t\treturn denied\n\t}\n\tat := m.silenceDeadline(t, i)\n\tif m.needsProbe(t, i) {\n\t\treturn m.probePermits(q, t, i, at)\n\t}\n\tif q.reached(at) {\n\t\treturn bySilence\n\t}\n\treturn denied\n}\n\n// silenceDeadline is from when on the peer's silence allows a take.\nfunc (m *Machine) silenceDeadline(t *state, i int) clock.Instant {\n\tp, v := &m.peers[i], &t.claims[i]\n\twait := max(m.config.Dead, p.dead) + t.spec.Linger\n\tif t.durable() {",
		"\tat := m.silenceDeadline(t, i)\n\tif m.needsProbe(t, i) {\n\t\treturn m.probePermits(q, t, i, at)\n\t}\n\tif q.reached(at) {\n\t\treturn bySilence\n\t}\n\treturn denied\n}\n\n// silenceDeadline is from when on the peer's silence allows a take.\nfunc (m *Machine) silenceDeadline(t *state, i int) clock.Instant {\n\tp, v := &m.peers[i], &t.claims[i]\n\twait := max(m.config.Dead, p.dead) + t.spec.Linger\n\tif false {"},
	{"regrant-beside-a-rival", "token/conflict.go",
		" && m.gaveUp(q, t, Granter(t.seen))", ""},
	{"no-regrant", "token/conflict.go",
		"case t.phase == Holding && !t.writing && t.seen > t.epoch", "case false && t.phase == Holding && t.seen > t.epoch"},
	{"allow-multiple-ignored", "token/take.go",
		"	if t.bits&AllowMultiple != 0 {\n		return Priority, true\n	}\n", ""},
	{"failback-on-equal-priority", "token/handover.go",
		"t.theirRank(j).priority <= t.ownRank().priority", "t.theirRank(j).priority < t.ownRank().priority"},
	{"failback-although-off", "token/handover.go",
		"t.spec.Bits&AutoFailback == 0 || ", ""},
	{"failback-never", "token/handover.go",
		"q.reached(v.eligibleSince.Add(t.spec.FailbackDelay)) && m.belowFailbackCap(q, t)", "q.reached(v.eligibleSince.Add(time.Hour))"},
	{"release-to-a-third-node-ignored", "token/take.go",
		"v.Verb == Release && v.To != m.config.Self || ", ""},
	{"ordered-taker-outranked", "token/take.go",
		"m.outranks(t, i) && !m.releasedToUs(q, t)", "m.outranks(t, i)"},
	{"leaving-rival-not-waited-for", "token/lease.go",
		"q.reached(t.lease.keptUntil) && !m.rivalLeaves(q, t)", "q.reached(t.lease.keptUntil)"},
	{"lapsed-lease-drops", "token/lease.go",
		"if t.phase != Holding || q.reached(t.lease.keptUntil) && !m.rivalLeaves(q, t) {", "if true {"},
	{"group-readiness-ignored", "vipd/node/groups.go",
		"!m.serves(now, i, required)", "required == \"\""},
	{"group-chance-never-ends", "vipd/node/requirementgrace.go",
		"state == services.Starting || state == services.Idle && now < until", "state <= services.Broken"},
	{"group-down-at-once", "vipd/node/groups.go",
		"m.queue(services.Revoke{Group: g})", "m.queue(services.Revoke{Group: g})\n		m.queue(token.Down{Token: number})"},
	{"group-failure-ignored-while-holding", "token/hold.go",
		"t.phase != Taking && t.phase != Holding || t.epoch != e.Epoch", "t.phase != Taking || t.epoch != e.Epoch"},
	{"group-given-up-ignored", "vipd/node/groups.go",
		"if m.groups.machine.GivenUp(g) {", "if g < 0 {"},
	{"group-apart-ignored", "vipd/node/groups.go",
		"r |= token.Apart", "_ = r"},
	{"group-epoch-of-a-meeting-not-told", "vipd/node/groups.go",
		"m.queue(services.Grant{Group: g, Epoch: a.Epoch}) // after", "_ = g // after"},
	{"group-never-acquired-never-down", "vipd/node/groups.go",
		"} else if m.ofGroup(number) {", "} else if false {"},
	{"groups-chase-each-other", "vipd/node/colocation.go",
		"\t\t\tif pulls(with, other, g.Token) {", "\t\t\tif false {"},
	{"group-stop-that-failed-is-done", "services/stop.go",
		"	m.block(g, u, e.Text)\n	g.due = now.Add(StopAgain)", "	*u, g.changed = unit{}, true"},
	{"group-given-up-for-ever-and-again", "services/crash.go",
		"	if g.crash.last {\n		g.crash.locked = true", "	if false {\n		g.crash.locked = true"},
	{"group-announced", "vipd/node/groups.go",
		"		return m.ofGroup(a.Token)", "		return false"},
	{"group-starts-without-those-before", "services/start.go",
		"!(u == 0 && m.waiting(now, g))", "true"},
}

// Left out, for neither a schedule nor a test of these packages shows them:
//
//   - the sender's silence when the loop is wedged: a simulated daemon's threads
//     stop together; a test of the daemon shows it;
//   - a replaced session accepted: its start is lower, and the seal has its own memory;
//     tests of both show it;
//   - the courtesy to a peer that fell silent without holding: it saves a meeting
//     when both were about to take, which the mode allows beyond a cut;
//   - answers counted as speech: no schedule of thousands has the instant
//     between a lost echo and the first ask;
//   - a thaw that keeps the token, a record skipped: the lease has ended in the
//     freeze and the words agree after the start; only a cause is never reached;
//   - an unproven word accepted: what a peer knows is counted only with a proof;
//   - a meeting decided by both: they judge alike, but for what is on the way;
//   - a group's adoption without a lease: the daemon decides it, and its tests show it.
