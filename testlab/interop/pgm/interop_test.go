package pgm

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"vipd/pgm"
	"vipd/pgm/window"
	"vipd/testlab/rig"
)

// cases are what is sent each way. Rates stay below what OpenPGM can take.
var cases = []struct {
	w         way
	size      int
	loss      int // of a thousand frames to the receiver
	count     int
	perSecond float64
}{
	{udp4, 32, 0, 2000, 10000}, {udp4, 1400, 0, 2000, 10000}, {udp4, 8000, 0, 500, 1000}, {udp4, 20000, 0, 200, 500},
	{raw4, 200, 0, 2000, 10000}, {raw4, 8000, 0, 500, 1000}, {raw4, 20000, 0, 200, 500},
	{udp6, 200, 0, 2000, 10000}, {udp6, 8000, 0, 500, 1000},
	{raw6, 200, 0, 2000, 10000},
	{udp4, 200, 10, 5000, 10000}, {udp4, 200, 50, 5000, 10000}, {udp4, 8000, 50, 500, 1000},
	{raw4, 200, 50, 5000, 10000}, {udp6, 200, 50, 5000, 10000},
}

// limit is how long a case may take: some seconds are usual, where the machine has
// no time for it many more.
const limit = 60 * time.Second

func (l *lan) each(name string, f func(l *lan, i int)) {
	for i, c := range cases {
		l.t.Run(fmt.Sprintf("%s, %s, %d octets, %d in 1000 lost", name, c.w.name, c.size, c.loss), func(t *testing.T) {
			if c.loss > 0 {
				defer l.sw.Drop(rig.Fault{To: l.ports[2], PerMille: c.loss})()
			}
			sub := *l
			sub.t = t
			f(&sub, i)
		})
	}
}

func TestGoToOpenPGM(t *testing.T) {
	t.Parallel()
	newLAN(t).each("to OpenPGM", func(l *lan, i int) {
		c := cases[i]
		ctx, cancel := context.WithTimeout(l.t.Context(), limit)
		defer cancel()
		watch := l.capture(1)
		peer := l.openpgm(2, c.w, "recv", arg("count", c.count), arg("size", c.size))
		s := l.sender(1, c.w, pgm.SenderOptions{MaxFragments: 16, Linger: 300 * time.Millisecond})
		if err := sendAll(ctx, s, c.count, c.size, c.perSecond); err != nil {
			l.t.Fatal(err)
		}
		peer.complete(c.count) // it may need repairs until then
		s.Close(context.Background())
		if st := s.Stats(); c.loss > 0 && st.Repairs == 0 {
			l.t.Errorf("no repairs: %+v", st)
		}
		watch.check(l.t, c.w)
	})
}

func TestOpenPGMToGo(t *testing.T) {
	t.Parallel()
	newLAN(t).each("from OpenPGM", func(l *lan, i int) {
		c := cases[i]
		ctx, cancel := context.WithTimeout(l.t.Context(), limit)
		defer cancel()
		watch := l.capture(1)
		r := l.receiver(2, c.w, pgm.ReceiverOptions{})
		peer := l.openpgm(1, c.w, "send", arg("count", c.count), arg("size", c.size), arg("mps", int(c.perSecond)), arg("delay", 50), arg("untiltold", 60000))
		watch.wait.of(strconv.Itoa(peer.proc.PID()))
		all, err := hear(ctx, r, c.count, c.size, 1)
		l.complete(all, err, c.count, 1)
		peer.end()
		peer.reports()
		if st := r.Stats(); c.loss > 0 && st.NAKs == 0 {
			l.t.Errorf("asked for nothing: %+v", st)
		}
		watch.check(l.t, c.w)
	})
}

func arg(key string, v int) string { return fmt.Sprintf("%s=%d", key, v) }

// TestBothReceivers sends to one of each kind at once, with loss on both ways.
func TestBothReceivers(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	l.sw.Drop(rig.Fault{PerMille: 20})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	const count, size = 5000, 200
	watch := l.capture(1)
	peer := l.openpgm(2, udp4, "recv", arg("count", count), arg("size", size))
	r := l.receiver(3, udp4, pgm.ReceiverOptions{})
	s := l.sender(1, udp4, pgm.SenderOptions{})
	done := make(chan error, 1)
	go func() { done <- send(ctx, s, count, size, 10000) }()
	all, err := hear(ctx, r, count, size, 1)
	l.complete(all, err, count, 1)
	if err := <-done; err != nil {
		t.Error(err)
	}
	peer.complete(count)
	watch.check(t, udp4)
}

// TestTwoSenders lets one of each kind send to one group, and both kinds hear.
func TestTwoSenders(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	l.sw.Drop(rig.Fault{To: l.ports[3], PerMille: 10})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	const count, size = 3000, 200
	r := l.receiver(3, udp4, pgm.ReceiverOptions{})
	l.sw.Drop(rig.Fault{To: l.ports[4], PerMille: 10})
	both := l.openpgm(4, udp4, "recv", arg("count", count), arg("size", size), arg("sources", 2))
	peer := l.openpgm(2, udp4, "send", arg("count", count), arg("size", size), arg("mps", 5000), arg("delay", 100))
	s := l.sender(1, udp4, pgm.SenderOptions{})
	done := make(chan error, 1)
	go func() { done <- send(ctx, s, count, size, 5000) }()
	all, err := hear(ctx, r, count, size, 2)
	l.complete(all, err, count, 2)
	if err := <-done; err != nil {
		t.Error(err)
	}
	peer.reports()
	both.complete(count)
}

// TestLateJoinGo joins an OpenPGM sender in the middle: no false loss.
func TestLateJoinGo(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	const count, size = 4000, 200
	peer := l.openpgm(1, udp4, "send", arg("count", count), arg("size", size), arg("mps", 2000))
	time.Sleep(time.Second)
	r := l.receiver(2, udp4, pgm.ReceiverOptions{})
	all, err := hear(ctx, r, count, size, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if h.first == 0 || h.lost != 0 || h.wrong != "" || h.received != count-h.first {
			t.Errorf("joined late: %+v", *h)
		}
	}
	peer.reports()
}

// TestLateJoinOpenPGM lets OpenPGM join in the middle, with our OPT_JOIN on.
func TestLateJoinOpenPGM(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	const count, size = 4000, 200
	s := l.sender(1, udp4, pgm.SenderOptions{LateJoin: true})
	done := make(chan error, 1)
	go func() { done <- send(t.Context(), s, count, size, 2000) }()
	time.Sleep(time.Second)
	peer := l.openpgm(2, udp4, "recv", arg("count", count), arg("size", size))
	all := peer.reports()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(all) != 1 || all[0].First == 0 || all[0].Missing != 0 || all[0].Next != count || all[0].Corrupt+all[0].Disorder+all[0].Resets != 0 {
		t.Errorf("openpgm joined late: %+v", all)
	}
}

// TestStoppedReceiver overruns a small window while our receiver is stopped
// for two seconds: one event per hole with exact counts, and it goes on.
func TestStoppedReceiver(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	const count, size = 20000, 1000
	r := l.receiver(2, udp4, pgm.ReceiverOptions{Window: window.ReceiveConfig{Packets: 1000}})
	peer := l.openpgm(1, udp4, "send", arg("count", count), arg("size", size), arg("mps", 5000), arg("sqns", 1000), arg("delay", 100))
	if _, err := r.Next(ctx); err != nil {
		t.Fatal(err)
	}
	undo := l.sw.Drop(rig.Fault{To: l.ports[2]})
	time.Sleep(2 * time.Second)
	undo()
	all, err := hear(ctx, r, count, size, 1)
	if err != nil {
		t.Fatalf("%v: %+v", err, r.Stats())
	}
	for _, h := range all {
		if h.wrong != "" || h.holes == 0 || h.received+h.lost != count-1 {
			t.Errorf("%+v, want an event for each hole and %d messages in all", *h, count-1)
		}
		t.Logf("%d lost in %d holes", h.lost, h.holes)
	}
	peer.reports()
}

// TestStoppedOpenPGM does the same the other way; our sender must not mind.
func TestStoppedOpenPGM(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	const count, size = 20000, 1000
	peer := l.openpgm(2, udp4, "recv", arg("count", count), arg("size", size), arg("stop", 1000), arg("sqns", 60000), arg("check", 0))
	r := l.receiver(3, udp4, pgm.ReceiverOptions{})
	s := l.sender(1, udp4, pgm.SenderOptions{Window: 1000})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- send(ctx, s, count, size, 5000) }()
	all, err := hear(ctx, r, count, size, 1)
	l.complete(all, err, count, 1)
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("openpgm, stopped for 2 s: %+v", peer.reports())
}
