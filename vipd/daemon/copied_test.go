package daemon

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat"
	"vipd/multicast"
	"vipd/seal"
	"vipd/testlab/rig"
)

// fakeCopyWatch is a watch whose clocks and identity a test sets.
func fakeCopyWatch() (w *copyWatch, slept *time.Duration, id *atomic.Value, told *[]string) {
	slept, id, told = new(time.Duration), new(atomic.Value), new([]string)
	id.Store("one")
	w = &copyWatch{
		asleep:   func() (least, most time.Duration) { return *slept, *slept + 50*time.Microsecond },
		identity: func() string { return id.Load().(string) },
		begin:    func(why string) { *told = append(*told, why) },
	}
	*slept = time.Hour // before the start
	w.start()
	return w, slept, id, told
}

// A machine that has slept seals nothing more under the session, from the first send on.
func TestSuspendedMachineSealsNothing(t *testing.T) {
	w, slept, _, told := fakeCopyWatch()
	*slept += sleptLess / 2
	if w.copied() {
		t.Error("the clocks' inexactness is taken for a sleep")
	}
	*slept += sleptLess
	for range 3 {
		if !w.copied() {
			t.Error("it goes on under the session")
		}
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], "suspended") {
		t.Errorf("told %v, want once that it was suspended", *told)
	}
	if (*copyWatch)(nil).copied() {
		t.Error("without a watch it is a copy")
	}
}

// A process that finds itself under another boot or machine begins anew.
func TestCopiedProcessBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, id, told := fakeCopyWatch()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.run(ctx); close(done) }()
		time.Sleep(10 * identityEvery)
		synctest.Wait()
		if w.copied() {
			t.Error("it is a copy of itself")
		}
		id.Store("two")
		time.Sleep(3 * identityEvery)
		synctest.Wait()
		stop()
		<-done
		if !w.copied() || len(*told) != 1 {
			t.Errorf("copied %v, told %v", w.copied(), *told)
		}
	})
}

// The real clocks and ids stay the same while a process runs, and bounds are bounds.
func TestThisMachineIsNoCopy(t *testing.T) {
	w := newCopyWatch(func(why string) { t.Error(why) })
	for range 10_000 {
		if least, most := w.asleep(); least > most || w.copied() {
			t.Fatalf("asleep between %v and %v", least, most)
		}
	}
	if identity() != w.was || w.was == "" {
		t.Errorf("identity %q, was %q", identity(), w.was)
	}
}

// Nothing leaves a host that is a copy.
func TestCopySendsNothing(t *testing.T) {
	lab := rig.Start(t)
	a := lab.Host("a")
	a.Plug(lab.Switch("lan"), "eth0", netip.MustParsePrefix("192.0.2.11/24"))
	ring, _ := seal.NewRing("t", seal.Key{1})
	w, slept, _, _ := fakeCopyWatch()
	k := newKeys(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 1, Session: 77})
	p := testPath(0, "192.0.2.11", "192.0.2.11") // to itself
	if err := a.Do(p.open); err != nil {
		t.Fatal(err)
	}
	defer p.conn.Load().Close()
	out := &outbox{paths: []*path{p}, sealer: k.sealer, keys: k, copies: w}
	send := func() {
		out.Send(heartbeat.Send{Kind: heartbeat.Beat, To: 2}, heartbeat.Message{Kind: heartbeat.Beat, State: heartbeat.Up, Seq: 1})
	}
	in := p.conn.Load().Unicast()
	batch := multicast.NewBatch(4, 2048)
	in.SetReadDeadline(time.Now().Add(20 * time.Second))
	send()
	if n, err := in.Read(batch); n != 1 || err != nil {
		t.Fatalf("%d datagrams, %v", n, err)
	}
	*slept += time.Minute
	send()
	before := k.sealer.Seal(nil, nil)
	if header, _, err := seal.NewOpener(ring, seal.Heartbeat).Open(nil, before); err != nil || header.Counter != 2 {
		t.Errorf("%d datagrams were sealed before this one, %v, want the first alone", header.Counter-1, err)
	}
}

// Only the kernel's own word of the generation id counts.
func TestNewGeneration(t *testing.T) {
	kernel, process := &unix.SockaddrNetlink{Groups: 1}, &unix.SockaddrNetlink{Pid: 812}
	event := "change@/devices/platform/VMGENCTR:00\x00ACTION=change\x00SUBSYSTEM=platform\x00NEW_VMGENID=1\x00SEQNUM=77"
	for _, c := range []struct {
		event string
		from  unix.Sockaddr
		want  bool
	}{
		{event, kernel, true},
		{event, process, false},
		{event, &unix.SockaddrUnix{}, false},
		{event, nil, false},
		{strings.ReplaceAll(event, "NEW_VMGENID=1", "SYNTH_ARG_NEW_VMGENID=1"), kernel, false},
		{"add@/devices/virtual/net/veth0\x00ACTION=add", kernel, false},
		{"", kernel, false},
	} {
		if got := isNewGeneration([]byte(c.event), c.from); got != c.want {
			t.Errorf("%q from %v: %v", c.event, c.from, got)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- listenForCopies(ctx, func() { t.Error("this machine is a copy") }) }()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it listens on")
	}
}
