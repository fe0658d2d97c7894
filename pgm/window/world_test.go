package window

import (
	"container/heap"
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
	send      *Send
	timer     *SPMTimer
	flow      *Flow
	spmSeq    packet.Seq
	messages  []message
	firstOf   map[packet.Seq]int // first number of a message -> its index
	receivers []*listener
	faults    int
	lastTrail packet.Seq
	resetSent bool  // the source is gone: it repairs nothing any more
	wrong     error // what went wrong while packets landed
	scratch   packet.Packet
	nextSend  Instant
	nextTell  Instant
	end       Instant
	reached   *reach
}

// draw is the configuration a seed makes.
type draw struct {
	receivers, window, room, fragments int
	loss, dup                          float64
	delay, jitter                      time.Duration
	backOff, keep, interval, length    time.Duration
	first                              packet.Seq
	flow, join, reset                  bool
	limit                              time.Duration
}

// message is one application message as sent.
type message struct {
	first, last packet.Seq
	body        []byte
}

// listener is one receiver with its checker.
type listener struct {
	w          *Receive
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
}

// flight is one packet on its way: to receiver to, or to the source (-1).
type flight struct {
	at    Instant
	order uint64
	to    int
	from  int
	b     []byte
}

type flights []flight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].order < f[j].order
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(flight)) }
func (f *flights) Pop() any {
	old := *f
	x := old[len(old)-1]
	*f = old[:len(old)-1]
	return x
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
		limit: pick(0, 0, 300*time.Millisecond),
	}
	if r.IntN(20) == 0 {
		d.length, d.interval = 60*time.Second, 200*time.Millisecond
	}
	d.fragments = min(d.fragments, d.window, d.room)
	w := &world{r: r, draw: d, reached: reached, firstOf: map[packet.Seq]int{}, lastTrail: d.first, end: Instant(d.length)}
	w.send = NewSend(SendConfig{Packets: d.window, MaxPacket: 128, Keep: d.keep, Holdoff: time.Millisecond, First: d.first})
	w.timer = NewSPMTimer(0, SPMConfig{Ambient: 500 * time.Millisecond, Min: 10 * time.Millisecond, Max: time.Second})
	n := 0
	if d.flow {
		n = d.receivers
	}
	w.flow = NewFlow(n, d.first, d.window, d.limit)
	for i := range d.receivers {
		w.receivers = append(w.receivers, w.newListener(i))
	}
	return w
}

// newListener draws one receiver and at least three faults for it.
func (w *world) newListener(i int) *listener {
	d := w.draw
	l := &listener{w: NewReceive(ReceiveConfig{Packets: d.room, BackOff: d.backOff, Seed: w.r.Uint64(), NCFRetries: 200, DataRetries: 200})}
	if !d.flow && w.r.IntN(3) == 0 {
		l.bornAt = Instant(w.r.Int64N(int64(d.length) / 2))
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
		heap.Push(&w.flights, flight{at, w.order, to, from, b})
	}
}

// group sends octets to every receiver.
func (w *world) group(b []byte) {
	for i := range w.receivers {
		w.fly(i, -1, append([]byte(nil), b...))
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
		binary.BigEndian.PutUint64(body[8*i:], uint64(len(w.messages))<<8|uint64(i))
	}
	first := w.send.Next()
	w.firstOf[first] = len(w.messages)
	w.messages = append(w.messages, message{first, first.Add(n - 1), body})
	for i := range n {
		p := packet.Packet{Type: packet.ODATA, Seq: w.send.Next(), Payload: body[8*i : 8*i+8]}
		if n > 1 {
			p.Options.With(packet.OptFragment).Fragment = packet.Fragment{First: first, Offset: uint32(8 * i), Length: uint32(8 * n)}
		}
		w.sendData(&p)
	}
	w.timer.Data(w.now)
}

// sendData pushes one packet; the trail in it is the one after the push.
func (w *world) sendData(p *packet.Packet) {
	p.Trail = w.send.Trail()
	if w.send.Next().From(p.Trail) == w.draw.window {
		p.Trail = p.Trail.Add(1)
	}
	if w.draw.join {
		p.Options.With(packet.OptJoin).Join = p.Trail
	}
	b := p.Append(w.send.Buffer())
	w.send.Push(w.now, b)
	w.group(b)
}

// sendSPM tells the window's edges.
func (w *world) sendSPM(finish bool) {
	p := packet.Packet{Type: packet.SPM, Seq: w.spmSeq, Trail: w.send.Trail(), Lead: w.send.Lead(), Path: worldSource}
	w.spmSeq++
	if w.draw.join {
		p.Options.With(packet.OptJoin).Join = p.Trail
	}
	if finish && w.draw.reset {
		p.Options.With(packet.OptRST).ResetCode = 2
		w.resetSent = true
	} else if finish {
		p.Options.With(packet.OptFIN)
	}
	w.group(p.Append(nil))
}

// hearNAK is the source's side of section 5.3: confirm at once, then repair.
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
		var r packet.Packet
		if err := r.Parse(b); err != nil || r.Type != packet.RDATA || r.Trail != w.send.Trail() {
			w.wrong = fmt.Errorf("repair is %v, trail %d (%v), want trail %d", r.Type, r.Trail, err, w.send.Trail())
		}
		w.group(b)
		w.timer.Data(w.now)
	}
}

func (d draw) String() string { return fmt.Sprintf("%+v", struct{ D draw }{d}) }
