package pgm

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
	"vipd/testlab/rig"
)

// gcmSeal seals with AES-GCM: 12 octets of nonce, then the packet and 16 octets of tag.
type gcmSeal struct {
	aead   cipher.AEAD
	prefix [4]byte // random, so that no two of one key count alike
	count  atomic.Uint64
}

func newGCMSeal(t testing.TB, key byte) *gcmSeal {
	block, err := aes.NewCipher(bytes.Repeat([]byte{key}, 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	g := &gcmSeal{aead: aead}
	rand.Read(g.prefix[:])
	return g
}

func (g *gcmSeal) Overhead() int { return 12 + 16 }

func (g *gcmSeal) Seal(dst, p []byte) []byte {
	at := len(dst)
	dst = append(dst, g.prefix[:]...)
	dst = binary.BigEndian.AppendUint64(dst, g.count.Add(1))
	return g.aead.Seal(dst, dst[at:at+12], p, nil)
}

func (g *gcmSeal) Open(sealed []byte) ([]byte, error) {
	if len(sealed) < g.Overhead() {
		return nil, errors.New("short")
	}
	return g.aead.Open(sealed[12:12], sealed[:12], sealed[12:], nil)
}

// listenIn reads everything that comes to a link, until it is closed.
func listenIn(l Link) (heard *[][]byte) {
	heard = new([][]byte)
	go func() {
		batch := make([]multicast.Datagram, 64)
		for {
			n, err := l.Inputs()[0].Read(batch)
			if err != nil {
				return
			}
			for _, d := range batch[:n] {
				*heard = append(*heard, append([]byte(nil), d.Data...))
			}
		}
	}()
	return heard
}

// TestSealed sends sealed messages, some of fragments, on a network that loses and doubles,
// to a known receiver with the seal's key, one with another key and one without a seal. A
// listener finds nothing of them in the packets, of which no two are the same.
func TestSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count, size = 200, 3000
		bus, flows := NewBus(BusOptions{Seed: 9, Loss: 0.05, Duplicate: 0}), newFlowBus()
		at := netip.MustParseAddrPort("10.0.0.2:1")
		wire := bus.Link(addrC, group)
		heard := listenIn(wire)
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{Seal: newGCMSeal(t, 1), FlowConn: flows.place("10.0.0.2:1")})
		foreign := newReceiver(t, bus.Link(addrC, group), ReceiverOptions{Seal: newGCMSeal(t, 2)})
		plain := newReceiver(t, bus.Link(addrC, group), ReceiverOptions{})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{Seal: newGCMSeal(t, 1), Window: 128, Flow: flows.place("10.0.0.1:1"), Receivers: []netip.AddrPort{at}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() {
			for i := range count {
				if _, err := s.Send(ctx, numbered(i, size)); err != nil {
					t.Error(err)
				}
			}
			if err := s.Close(ctx); err != nil {
				t.Error(err)
			}
		}()
		if err := expect(ctx, r, 0, count-1, size); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if st := s.Stats(); st.Repairs == 0 || st.NotOpened > 0 || !st.Receivers[0].Heard {
			t.Errorf("%d repairs, %d not opened, receivers %+v", st.Repairs, st.NotOpened, st.Receivers)
		}
		if st := foreign.Stats(); st.NotOpened == 0 || st.Sources > 0 {
			t.Errorf("with another key: %d not opened, %d sources", st.NotOpened, st.Sources)
		}
		if st := plain.Stats(); st.Sources > 0 {
			t.Errorf("without a seal: %d sources", st.Sources)
		}
		wire.Close()
		synctest.Wait()
		seen, pattern := map[string]bool{}, numbered(0, size)[100:132]
		for _, b := range *heard {
			if bytes.Contains(b, pattern) || seen[string(b)] {
				t.Fatalf("readable, or twice: %x", b)
			}
			seen[string(b)] = true
		}
		if len(seen) < 3*count/2 {
			t.Errorf("only %d packets were heard", len(seen))
		}
	})
}

// TestSealedAgainstForgery: packets in the clear, sealed ones that were changed anywhere, and
// flow control in the clear change nothing.
func TestSealedAgainstForgery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, flows := NewBus(BusOptions{}), newFlowBus()
		at := netip.MustParseAddrPort("10.0.0.2:1")
		wire := bus.Link(addrC, group)
		heard := listenIn(wire)
		defer wire.Close()
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{Seal: newGCMSeal(t, 1)})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{Seal: newGCMSeal(t, 1), Flow: flows.place("10.0.0.1:1"), Receivers: []netip.AddrPort{at}})
		sendAll(t, s, 0, 3)
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		sealed := append([]byte(nil), (*heard)[len(*heard)-1]...)
		before := r.Stats()
		forged := 0
		inject := func(b []byte) {
			forged++
			if _, err := wire.Write([]multicast.Datagram{{Data: b}}); err != nil {
				t.Error(err)
			}
		}
		for i := range sealed {
			b := append([]byte(nil), sealed...)
			b[i] ^= 0x20
			inject(b)
			inject(sealed[:i])
		}
		p := packet.Packet{Type: packet.SPM, SourcePort: s.tsi.Port, DestPort: s.o.Port, GSI: s.tsi.GSI, Seq: 1 << 20, Trail: 0, Lead: 3, Path: addrA}
		p.Options.With(packet.OptRST)
		inject(p.Append(nil))
		inject(p.Append(nil))
		lie := flowMessage{kind: kindReport, tsi: s.tsi, life: s.life, a: 4, b: 100}
		stranger := flows.place("10.0.0.2:1")
		stranger.Write(lie.append(nil), netip.MustParseAddrPort("10.0.0.1:1"))
		time.Sleep(10 * time.Millisecond)
		if n := r.Stats().NotOpened - before.NotOpened; n != uint64(forged) {
			t.Errorf("%d of %d forged packets were not opened", n, forged)
		}
		if _, known := s.Acked(at); known {
			t.Error("a report in the clear was believed")
		}
		for i := range 4 {
			if m, err := r.Next(t.Context()); err != nil || !bytes.Equal(m.Data, numbered(i, 64)) {
				t.Fatalf("message %d: %x, %v", i, m.Data, err)
			}
		}
		s.RemoveReceiver(at)
	})
}

// TestSealThatIsTooLong is refused.
func TestSealThatIsTooLong(t *testing.T) {
	bus := NewBus(BusOptions{MaxPacket: 280})
	if _, err := NewSender(bus.Link(addrA, group), SenderOptions{Seal: newGCMSeal(t, 1)}); err == nil {
		t.Error("a sender has no room for its packets")
	}
	if _, err := NewReceiver(bus.Link(addrB, group), ReceiverOptions{Seal: newGCMSeal(t, 1)}); err == nil {
		t.Error("a receiver has no room for its packets")
	}
}

// FuzzOpen gives the seal's frame anything: what is not sealed by the key does not open, and
// what is opens unchanged.
func FuzzOpen(f *testing.F) {
	seal := newGCMSeal(f, 1)
	p := packet.Packet{Type: packet.SPM, Path: addrA}
	f.Add(p.Append(nil))
	f.Add(appendSealed(nil, newGCMSeal(f, 2), p.Append(nil)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := open(seal, append([]byte(nil), b...)); err == nil {
			t.Fatalf("%x opens as %x", b, p)
		}
		if len(b) < sealPrefix {
			return
		}
		if p, err := open(seal, appendSealed(nil, seal, b)); err != nil || !bytes.Equal(p, b) {
			t.Fatalf("%x came back as %x, %v", b, p, err)
		}
	})
}

// FuzzAfterIPv4 takes the header off anything that a raw socket may read.
func FuzzAfterIPv4(f *testing.F) {
	f.Add([]byte{0x46, 0, 0, 28, 0, 0, 0, 0, 1, 113, 0, 0, 10, 0, 0, 1, 239, 0, 0, 1, 0x94, 4, 0, 0, 9, 9, 9, 9})
	f.Add([]byte{0x4F})
	f.Fuzz(func(t *testing.T, b []byte) {
		if rest := afterIPv4(b); !bytes.HasSuffix(b, rest) {
			t.Fatalf("%x became %x", b, rest)
		}
	})
}

// countedLink counts datagrams with segments that are written, and packets that are read.
type countedLink struct {
	Link
	segmented, read atomic.Int64
}

func (l *countedLink) Write(batch []multicast.Datagram) (int, error) {
	for _, d := range batch {
		if d.SegmentSize > 0 {
			l.segmented.Add(1)
		}
	}
	return l.Link.Write(batch)
}

func (l *countedLink) Inputs() []Input {
	var list []Input
	for _, in := range l.Link.Inputs() {
		list = append(list, countedInput{in, l})
	}
	return list
}

type countedInput struct {
	Input
	link *countedLink
}

func (i countedInput) Read(batch []multicast.Datagram) (int, error) {
	n, err := i.Input.Read(batch)
	i.link.read.Add(int64(max(n, 0)))
	return n, err
}

// TestSealedWays sends sealed messages every way, with losses: many segments still go in one
// datagram, and the sender's sockets still filter what comes back of its own.
func TestSealedWays(t *testing.T) {
	l := newLAN(t)
	l.sw.Drop(rig.Fault{PerMille: 50})
	repairs := uint64(0)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			const count, size = 150, 20000
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			l.t = t
			r := l.receiver(w, l.b, 2, ReceiverOptions{Seal: newGCMSeal(t, 1)})
			link, err := w.open(l.a, 1, false)
			if err != nil {
				t.Fatal(err)
			}
			counted := &countedLink{Link: link}
			s := newSender(t, counted, SenderOptions{Seal: newGCMSeal(t, 1), Rate: 20e6, Linger: time.Second})
			go func() {
				for i := range count {
					if _, err := s.Send(ctx, numbered(i, size)); err != nil {
						t.Error(err)
					}
				}
				s.Close(ctx)
			}()
			if err := expect(ctx, r, 0, count-1, size); err != nil {
				t.Fatalf("%v\nsender %+v\nreceiver %+v", err, s.Stats(), r.Stats())
			}
			st, segmented, read := s.Stats(), counted.segmented.Load(), counted.read.Load()
			if w.segments != (segmented > 0) {
				t.Errorf("%d datagrams had segments", segmented)
			}
			repairs += st.Repairs
			if st.NotOpened > 0 || read > int64(st.NAKs+st.SPMRs)+10 {
				t.Errorf("%d packets came to the sender, of them %d NAKs, %d SPMRs; %d were not opened", read, st.NAKs, st.SPMRs, st.NotOpened)
			}
		})
	}
	if repairs == 0 {
		t.Error("nothing was repaired")
	}
}
