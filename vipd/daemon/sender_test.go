package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/heartbeat"
	"vipd/seal"
	"vipd/sharedip"
	"vipd/vipd/node"
)

// Senders of frames of which hist-a knows whose they are: by what hist-b has told of
// itself, and by the place of its address 192.0.2.12.
const (
	toldMAC  = 0xb0
	knownMAC = 0xb1
)

// newFramePair is a pair of which hist-a knows hist-b's hardware addresses.
func newFramePair(t *testing.T) *pair {
	p := newPair(t, pairConfig)
	p.settle()
	p.b.onLoop(func() {
		p.b.d.loop.step(node.Local{MACs: []heartbeat.MAC{{Kind: heartbeat.ClientMAC, Address: frameFrom(toldMAC).mac}}})
	})
	p.a.hands.Change(func() {
		p.a.hands.Neighbours = []sharedip.Station{{Index: 1, MAC: frameFrom(knownMAC).mac, Addr: p.b.d.cluster().Self.Addresses[0]}}
	})
	time.Sleep(time.Second)
	return p
}

// refuse has hist-a refuse frames of the senders for a while, each ten times a second.
func (p *pair) refuse(reason seal.Refusal, while time.Duration, froms ...sender) {
	for end := time.Now().Add(while); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, from := range froms {
			p.a.onLoop(func() { p.a.d.refused(reason, seal.Header{KeyID: 7}, from) })
		}
	}
	synctest.Wait()
}

// saidWith are the lines of the journal that contain the words.
func (h *host) saidWith(words string) (list []string) {
	for _, text := range h.texts() {
		if strings.Contains(text, words) {
			list = append(list, text)
		}
	}
	return list
}

// A sender over the clients' network is named by its hardware address and interface, once
// a minute; where it is known to be a node, by the node's name.
func TestSendersOfFramesAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		p.refuse(seal.ErrKey, 50*time.Second, frameFrom(7), frameFrom(toldMAC))
		want := []string{
			"hist-b (02:00:00:00:00:b0 on eth0) seals with another key (00000007); copy the same key_file to all nodes",
			"02:00:00:00:00:07 on eth0 seals with another key (00000007); copy the same key_file to all nodes",
		}
		if got := p.a.saidWith("another key"); !slices.Equal(got, want) {
			t.Errorf("said %q, want %q", got, want)
		}
		if text := alarms(p.a); !strings.Contains(text, want[0]) || strings.Contains(text, want[1]) {
			t.Errorf("alarms: %s", text)
		}
		p.refuse(seal.ErrKey, sayAgain, frameFrom(7), frameFrom(toldMAC))
		if got := p.a.saidWith("another key"); len(got) != 4 {
			t.Errorf("said %q after another minute, want four lines", got)
		}
		for _, text := range p.a.texts() {
			if strings.Contains(text, "invalid") {
				t.Errorf("said %q", text)
			}
		}
	})
}

// A frame from the place of a node's own address is as a datagram from that address: it is
// not named twice, whichever of the two comes first.
func TestFrameFromANodesPlace(t *testing.T) {
	for _, name := range []string{"frame first", "datagram first"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newFramePair(t)
				frame := sender{mac: frameFrom(knownMAC).mac, link: interfaceByIndex(1).Name}
				if name == "datagram first" {
					p.refuse(seal.ErrKey, time.Second, datagramFrom("192.0.2.12:7000"))
				}
				p.refuse(seal.ErrKey, 3*time.Second, frame) // while its place is asked for
				p.refuse(seal.ErrKey, 20*time.Second, frame, datagramFrom("192.0.2.12:7000"))
				if got := p.a.saidWith("another key"); len(got) != 1 || !strings.HasPrefix(got[0], "hist-b (192.0.2.12) seals") {
					t.Errorf("said %q, want one line", got)
				}
			})
		})
	}
}

// Senders of frames, however many, drown neither the log nor one another's kind, nor a
// node, nor a sender of datagrams; that there are many is said once.
func TestSendersOfFramesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		var many []sender
		for n := range 1000 {
			many = append(many, frameFrom(1000+n))
		}
		p.refuse(seal.ErrForged, 10*time.Second, many...)
		got := p.a.saidWith("forging")
		if len(got) != namedMost+1 {
			t.Errorf("%d lines, want %d", len(got), namedMost+1)
		}
		if !slices.ContainsFunc(got, func(s string) bool {
			return strings.HasPrefix(s, "a sender with many hardware addresses on eth0 sends")
		}) {
			t.Errorf("not said that there are many: %q", got)
		}
		if n := len(p.a.d.named); n > 2*namedMost {
			t.Errorf("%d senders are remembered", n)
		}
		p.refuse(seal.ErrForged, time.Second, append(many, frameFrom(toldMAC), datagramFrom("192.0.2.66:7000"))...)
		for _, name := range []string{"hist-b (02:00:00:00:00:b0 on eth0) sends", "192.0.2.66 sends"} {
			if len(p.a.saidWith(name)) != 1 {
				t.Errorf("not said: %s", name)
			}
		}
		p.refuse(seal.ErrKey, 10*time.Second, frameFrom(7))
		if len(p.a.saidWith("02:00:00:00:00:07 on eth0 seals with another key")) != 1 {
			t.Error("another reason has no place")
		}
	})
}

// When a link comes up the paths are looked at at once, not with the next second.
func TestPathsAreLookedAtWhenALinkComesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		time.Sleep(lookEvery / 2)
		p.a.d.stationsWanted.Store(true) // they are asked for with the same look
		synctest.Wait()
		if !p.a.d.stationsWanted.Load() {
			t.Fatal("looked without news")
		}
		for range 3 {
			p.a.d.onAddressEvent(sharedip.LinkUp{Interface: "eth0"})
		}
		synctest.Wait()
		if p.a.d.stationsWanted.Load() {
			t.Error("not looked at")
		}
	})
}

func TestMalformedFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		for range 3 {
			p.a.onLoop(func() {
				p.a.d.malformed(p.b.d.cluster().Self.Slot, frameFrom(9), errors.New("octets after the message"))
			})
		}
		synctest.Wait()
		want := "hist-b sends what can't be read: from 02:00:00:00:00:09 on eth0: octets after the message"
		if got := p.a.saidWith("can't be read"); len(got) != 1 || got[0] != want {
			t.Errorf("said %q, want %q", got, want)
		}
	})
}

// Recordings of this node's own messages, from however many hardware addresses, are one
// alarm.
func TestTwinFromManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		for n := range 100 {
			p.a.onLoop(func() { p.a.d.twin(frameFrom(n)) })
		}
		synctest.Wait()
		if got := p.a.saidWith("also sends as node hist-a"); len(got) != 1 || !strings.HasPrefix(got[0], "02:00:00:00:00:00 on eth0 also sends") {
			t.Errorf("said %q", got)
		}
		if text := alarms(p.a); !strings.Contains(text, "02:00:00:00:00:00 on eth0 also sends") {
			t.Errorf("alarms: %s", text)
		}
		time.Sleep(twinShown + time.Second)
		if text := alarms(p.a); strings.Contains(text, "also sends") {
			t.Errorf("alarms after a while: %s", text)
		}
	})
}
