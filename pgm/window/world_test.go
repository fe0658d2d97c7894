package window

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"vipd/pgm/packet"
)

// world is one source, its receivers and the network between them, all drawn
// from a seed, in virtual time. Packets travel as octets.
type world struct {
	r         *rand.Rand
	now       Instant
	flights   flights
	order     uint64
	draw      draw
	*life     // the source's present one
	lives     []*life
	crashes   []Instant // when the source's lives end
	closing   bool      // the life's end was told; it only repairs
	dead      bool      // between two lives
	reviveAt  Instant
	answered  Instant // when it last answered an SPMR
	forgeAt   Instant
	receivers []*listener
	faults    int
	resetSent bool          // the source is gone: it repairs nothing any more
	wrong     error         // what went wrong while packets landed
	scratch   packet.Packet // the one that lands
	emitted   packet.Packet // the one that is sent
	built     packet.Packet // an ODATA
	due       [1 + packet.MaxNAKList]packet.Seq
	nextSend  Instant
	nextTell  Instant
	end       Instant
	reached   *reach
}

// life is one life of the source.
type life struct {
	index     int
	first     packet.Seq
	send      *Send
	timer     *SPMTimer
	flow      *Flow
	spmSeq    packet.Seq
	lastTrail packet.Seq // in the packets sent
	messages  []message
	firstOf   map[packet.Seq]int // first number of a message -> its index
}

// draw is the configuration a seed makes.
type draw struct {
	receivers, window, room, fragments int
	loss, dup                          float64
	delay, jitter                      time.Duration
	backOff, keep, interval, length    time.Duration
	first                              packet.Seq
	flow, join, reset                  bool
	restarts                           int
	finish                             bool // a life ends with a FIN instead of a crash
	forge                              bool // now and then somebody forges one packet
	limit                              time.Duration
}

// message is one application message as sent.
type message struct {
	first, last packet.Seq
	body        []byte
}

// listener is one receiver with its checker.
type listener struct {
	s          *Session
	lived      *Receive     // the life that was live when last looked at
	life       *life        // of the source, which it hears
	coming     []*life      // those that it has gone over to, not handed on yet
	leavesAt   Instant      // says goodbye; 0: never
	deaf       [][2]Instant // hears nothing
	stalled    [][2]Instant // its application takes nothing
	bornAt     Instant
	pos        packet.Seq
	started    bool
	afterHole  bool
	finished   bool
	lost, got  int
	naks       int
	leftBehind bool
	doubted    bool       // in doubt when last looked at
	over       bool       // the life's end was handed on
	joined     packet.Seq // where it joined the life
}

// flight is one packet on its way: to receiver to, or to the source (-1).
type flight struct {
	at    Instant
	order uint64
	to    int
	from  int
	b     []byte
}

// flights is a heap of packets, the earliest first.
type flights []flight

func (f flights) before(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].order < f[j].order
}

func (f *flights) push(x flight) {
	*f = append(*f, x)
	h := *f
	for i := len(h) - 1; i > 0 && h.before(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (f *flights) pop() flight {
	h := *f
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h[last] = flight{}
	h = h[:last]
	for i := 0; 2*i+1 < last; {
		child := 2*i + 1
		if child+1 < last && h.before(child+1, child) {
			child++
		}
		if !h.before(child, i) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	*f = h
	return first
}

// drawWorld makes the world of a seed.
func drawWorld(seed uint64, reached *reach) *world {
	r := rand.New(rand.NewPCG(seed, 3208))
	pick := func(ds ...time.Duration) time.Duration { return ds[r.IntN(len(ds))] }
	d := draw{
		receivers: 1 + r.IntN(3), window: []int{4, 16, 64, 1000}[r.IntN(4)], room: []int{8, 32, 128, 1000}[r.IntN(4)],
		fragments: []int{1, 1, 3, 16}[r.IntN(4)], loss: []float64{0, 0.01, 0.05, 0.3}[r.IntN(4)], dup: []float64{0, 0, 0.05, 0.3}[r.IntN(4)],
		delay: pick(0, 100*time.Microsecond, 5*time.Millisecond), jitter: pick(0, 0, 200*time.Microsecond, 20*time.Millisecond),
		backOff: pick(0, 500*time.Microsecond, 50*time.Millisecond), keep: pick(0, 0, 500*time.Millisecond),
		interval: pick(2*time.Millisecond, 10*time.Millisecond, 30*time.Millisecond), length: 3 * time.Second,
		first: []packet.Seq{0, 0xFFFFFFF0, 0x7FFFFFF8, packet.Seq(r.Uint32())}[r.IntN(4)],
		flow:  r.IntN(2) == 0, join: r.IntN(2) == 0, reset: r.IntN(8) == 0,
		limit: pick(0, 0, 300*time.Millisecond), restarts: []int{0, 0, 1, 1, 2}[r.IntN(5)], finish: r.IntN(3) == 0, forge: r.IntN(4) == 0,
	}
	if r.IntN(20) == 0 {
		d.length, d.interval, d.restarts = 60*time.Second, 200*time.Millisecond, 0
	}
	d.fragments = min(d.fragments, d.window, d.room)
	w := &world{r: r, draw: d, reached: reached, end: Instant(d.length)}
	w.begin(d.first, 0)
	for at := Instant(0); len(w.crashes) < d.restarts; {
		at = at.Add(800*time.Millisecond + time.Duration(r.Int64N(int64(600*time.Millisecond))))
		w.crashes = append(w.crashes, at)
	}
	for i := range d.receivers {
		w.receivers = append(w.receivers, w.newListener(i))
	}
	return w
}

// begin begins a life of the source. The receivers that it knows are those that listen.
func (w *world) begin(first, spm packet.Seq) {
	d := w.draw
	w.life = &life{index: len(w.lives), first: first, spmSeq: spm, lastTrail: first, firstOf: map[packet.Seq]int{}}
	w.lives = append(w.lives, w.life)
	w.send = NewSend(SendConfig{Packets: d.window, MaxPacket: 128, Keep: d.keep, Holdoff: time.Millisecond, First: first})
	w.timer = NewSPMTimer(w.now, SPMConfig{Ambient: 500 * time.Millisecond, Min: 10 * time.Millisecond, Max: time.Second})
	n := 0
	if d.flow {
		n = d.receivers
	}
	w.flow = NewFlow(n, first, d.window, d.limit)
	for i, l := range w.receivers {
		if d.flow && (l.bornAt > w.now || l.leavesAt > 0 && l.leavesAt <= w.now) {
			w.flow.Remove(i)
		}
	}
}

// die ends a life: in order, with three FINs, or without a word.
func (w *world) die() {
	if w.draw.finish && !w.closing {
		w.closing = true
		for range 3 {
			w.sendSPM(true)
		}
		w.timer.Data(w.now)
		w.reached.count("life finished")
		if w.crashes[0] = w.now.Add(time.Duration(w.r.Int64N(int64(300 * time.Millisecond)))); w.crashes[0] > w.now {
			return
		}
	}
	w.crashes = w.crashes[1:]
	w.closing, w.dead, w.reviveAt = false, true, w.now.Add(60*time.Millisecond+time.Duration(w.r.Int64N(int64(200*time.Millisecond))))
	w.faults++
}

// revive begins another life under the same identifier, with numbers that have nothing to
// do with the last ones.
func (w *world) revive() {
	w.dead = false
	w.begin(packet.Seq(w.r.Uint32()), packet.Seq(w.r.IntN(1<<30)))
	for range 3 {
		w.sendSPM(false)
	}
}

// newListener draws one receiver and at least three faults for it.
func (w *world) newListener(i int) *listener {
	d := w.draw
	l := &listener{s: NewSession(ReceiveConfig{Packets: d.room, BackOff: d.backOff, Seed: w.r.Uint64(), NCFRetries: 200, DataRetries: 200})}
	l.lived = l.s.Live()
	if w.r.IntN(3) == 0 {
		l.bornAt = Instant(w.r.Int64N(int64(d.length) / 2))
	}
	if d.flow && l.bornAt > 0 {
		w.flow.Remove(i)
	}
	if w.r.IntN(6) == 0 {
		l.leavesAt = l.bornAt.Add(time.Duration(1 + w.r.Int64N(int64(d.length)/2)))
	}
	span := func() [2]Instant {
		at := Instant(w.r.Int64N(int64(d.length)))
		return [2]Instant{at, at.Add(time.Duration(w.r.Int64N(int64(400 * time.Millisecond))))}
	}
	for range 2 {
		l.deaf = append(l.deaf, span())
	}
	l.stalled = append(l.stalled, span())
	w.faults += 3
	return l
}

func within(spans [][2]Instant, t Instant) bool {
	for _, s := range spans {
		if t >= s[0] && t < s[1] {
			return true
		}
	}
	return false
}

// fly puts a packet on the network; chance may lose, double or delay it.
func (w *world) fly(to, from int, b []byte) {
	copies := 1
	if w.r.Float64() < w.draw.loss {
		copies, w.faults = 0, w.faults+1
	} else if w.r.Float64() < w.draw.dup {
		copies, w.faults = 2, w.faults+1
	}
	for range copies {
		at := w.now.Add(w.draw.delay)
		if w.draw.jitter > 0 {
			at = at.Add(time.Duration(w.r.Int64N(int64(w.draw.jitter))))
		}
		w.order++
		w.flights.push(flight{at, w.order, to, from, b})
	}
}

// group sends octets to every receiver: a copy, for the source patches what it repairs.
func (w *world) group(b []byte) {
	b = append([]byte(nil), b...)
	for i := range w.receivers {
		w.fly(i, -1, b)
	}
}

var (
	worldSource = netip.MustParseAddr("10.0.0.1")
	worldGroup  = netip.MustParseAddr("239.0.0.1")
)

// sendMessage sends one message if the flow lets it.
func (w *world) sendMessage() {
	n := 1
	if w.r.IntN(3) == 0 {
		n = 1 + w.r.IntN(w.draw.fragments)
	}
	if !w.flow.MaySend(w.now, w.send.Next(), n) {
		w.reached.count("blocked")
		for _, i := range w.flow.LeaveBehind(w.now, w.send.Next()) {
			w.receivers[i].leftBehind = true
			w.reached.count("left behind")
		}
		return
	}
	body := make([]byte, 8*n)
	for i := range n {
		binary.BigEndian.PutUint64(body[8*i:], uint64(w.index)<<56|uint64(len(w.messages))<<8|uint64(i))
	}
	first := w.send.Next()
	w.firstOf[first] = len(w.messages)
	w.messages = append(w.messages, message{first, first.Add(n - 1), body})
	for i := range n {
		p := &w.built
		*p = packet.Packet{Type: packet.ODATA, Seq: w.send.Next(), Payload: body[8*i : 8*i+8]}
		if n > 1 {
			p.Options.With(packet.OptFragment).Fragment = packet.Fragment{First: first, Offset: uint32(8 * i), Length: uint32(8 * n)}
		}
		w.push(p)
	}
	for i := range n { // written when all of them are in the window
		w.emit(w.send.Packet(first.Add(i)))
	}
	w.timer.Data(w.now)
}

// push pushes one packet; the trail in it is the one after the push.
func (w *world) push(p *packet.Packet) {
	p.Trail = w.send.Trail()
	if w.send.Next().From(p.Trail) == w.draw.window {
		p.Trail = p.Trail.Add(1)
	}
	if w.draw.join {
		p.Options.With(packet.OptJoin).Join = p.Trail
	}
	if p.Seq == w.first {
		p.Options.With(packet.OptSYN)
	}
	w.send.Push(w.now, p.Append(w.send.Buffer()))
}

// emit sends a data packet and wants its trail to be today's.
func (w *world) emit(b []byte) {
	p := &w.emitted
	switch err := p.Parse(b); {
	case err != nil:
		w.wrong = err
	case p.Trail != w.send.Trail(), p.Trail.Before(w.lastTrail):
		w.wrong = fmt.Errorf("%v with trail %d, want %d", p.Type, p.Trail, w.send.Trail())
	case w.draw.join && p.Options.Join.Before(p.Trail):
		w.wrong = fmt.Errorf("%v offers %d, before its trail %d", p.Type, p.Options.Join, p.Trail)
	}
	w.lastTrail = p.Trail
	w.group(b)
}

// sendSPM tells the window's edges.
func (w *world) sendSPM(finish bool) {
	p := packet.Packet{Type: packet.SPM, Seq: w.spmSeq, Trail: w.send.Trail(), Lead: w.send.Lead(), Path: worldSource}
	w.spmSeq++
	if w.draw.join {
		p.Options.With(packet.OptJoin).Join = p.Trail
	}
	w.lastTrail = p.Trail
	if finish && w.draw.reset && len(w.crashes) == 0 && !w.dead && w.now >= w.end {
		p.Options.With(packet.OptRST).ResetCode = 2
		w.resetSent = true
	} else if finish {
		p.Options.With(packet.OptFIN)
	}
	w.group(p.Append(nil))
}

// forge sends one packet that no source of ours has sent: it must end no life, begin none,
// and lose nothing. Forged data that fits is believed; that is for a seal to prevent.
func (w *world) forge() {
	w.forgeAt = w.now.Add(endProof + time.Duration(w.r.Int64N(int64(400*time.Millisecond)))) // never two that agree
	p := packet.Packet{Type: packet.SPM, Seq: w.spmSeq.Add(w.r.IntN(200) - 100), Trail: w.send.Trail(), Lead: w.send.Lead(), Path: worldSource}
	switch w.r.IntN(5) {
	case 0:
		p.Seq, p.Lead = packet.Seq(w.r.Uint32()), packet.Seq(w.r.Uint32())
		p.Trail = p.Lead.Add(-w.r.IntN(100))
	case 1:
		p.Lead = p.Lead.Add(w.r.IntN(100))
	case 2:
		p = packet.Packet{Type: packet.ODATA, Seq: packet.Seq(w.r.Uint32()), Payload: make([]byte, 8)}
		p.Trail = p.Seq
	case 3:
		p = packet.Packet{Type: packet.NCF, Seq: w.send.Lead().Add(w.r.IntN(100)), Source: worldSource, Group: worldGroup}
	}
	for _, o := range []packet.Option{packet.OptFIN, packet.OptRST, packet.OptSYN} {
		if w.r.IntN(3) == 0 && p.Type != packet.NCF && (o != packet.OptSYN || p.Type == packet.ODATA) && (o != packet.OptRST || p.Type == packet.SPM) {
			p.Options.With(o)
		}
	}
	w.reached.count("forged")
	for i, l := range w.receivers {
		if l.started { // whoever joins by a forged packet joins the forger's session
			w.fly(i, -1, p.Append(nil))
		}
	}
}

// hearUpstream is the source's side of sections 5.3 and 13.
func (w *world) hearUpstream(p *packet.Packet) {
	switch {
	case w.dead:
	case p.Type == packet.NAK:
		w.hearNAK(p)
	case w.now >= w.answered.Add(10*time.Millisecond):
		w.answered = w.now
		w.sendSPM(w.now >= w.end || w.closing)
	}
}

// hearNAK confirms at once, then repairs.
func (w *world) hearNAK(p *packet.Packet) {
	ncf := packet.Packet{Type: packet.NCF, Seq: p.Seq, Source: worldSource, Group: worldGroup}
	var valid []packet.Seq
	for _, s := range append([]packet.Seq{p.Seq}, p.Options.NAKList...) {
		if w.send.Ask(w.now, s) {
			valid = append(valid, s)
		}
	}
	if len(valid) == 0 || w.resetSent {
		return
	}
	ncf.Seq = valid[0]
	if len(valid) > 1 {
		ncf.Options.With(packet.OptNAKList).NAKList = valid[1:]
	}
	w.group(ncf.Append(nil))
	for {
		b := w.send.Repair(w.now)
		if b == nil {
			return
		}
		w.emit(b)
		w.timer.Data(w.now)
	}
}

func (d draw) String() string {
	type plain draw // without this method
	return fmt.Sprintf("%+v", plain(d))
}
