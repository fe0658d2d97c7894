package attack

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/seal"
	"vipd/testlab/program"
	"vipd/testlab/rig"
)

const attacker = "vipd/testlab/attack/attacker"

func TestMain(m *testing.M) {
	program.Build(attacker)
	os.Exit(rig.Main(removing{m}))
}

type removing struct{ *testing.M }

func (r removing) Run() int {
	defer program.Remove()
	return r.M.Run()
}

const (
	port  = 7000
	limit = 20 * time.Second
)

// lan is two hosts that speak, and the attacker beside them.
type lan struct {
	t         *testing.T
	sw        *rig.Switch
	a, b, eve *rig.Host
	ports     [3]*rig.Port
	card      *Card
	heard     net.PacketConn // at b
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	lab := rig.Start(t)
	l := &lan{t: t, sw: lab.Switch("lan")}
	for i, h := range []struct {
		host **rig.Host
		name string
	}{{&l.a, "a"}, {&l.b, "b"}, {&l.eve, "eve"}} {
		*h.host = lab.Host(h.name)
		l.ports[i] = (*h.host).Plug(l.sw, "eth0",
			netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/24", 1+i)), netip.MustParsePrefix(fmt.Sprintf("2001:db8::%d/64", 1+i)))
	}
	l.within(l.eve, func() (err error) { l.card, err = Open("eth0"); return err })
	t.Cleanup(l.card.Close)
	l.within(l.b, func() (err error) { l.heard, err = net.ListenPacket("udp4", "192.0.2.2:7000"); return err })
	t.Cleanup(func() { l.heard.Close() })
	return l
}

func (l *lan) within(h *rig.Host, job func() error) {
	l.t.Helper()
	if err := h.Do(job); err != nil {
		l.t.Fatal(err)
	}
}

// say has a send a sealed datagram to b.
func (l *lan) say(payload []byte) {
	l.t.Helper()
	l.within(l.a, func() error {
		conn, err := net.Dial("udp", "192.0.2.2:7000")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(payload)
		return err
	})
}

// hears waits until b has heard a datagram.
func (l *lan) hears() []byte {
	l.t.Helper()
	l.heard.SetReadDeadline(time.Now().Add(limit))
	buffer := make([]byte, 2048)
	n, from, err := l.heard.ReadFrom(buffer)
	if err != nil {
		l.t.Fatal(err)
	}
	if !strings.HasPrefix(from.String(), "192.0.2.1:") {
		l.t.Errorf("b heard %s", from)
	}
	return buffer[:n]
}

func sample() []byte { return bytes.Repeat([]byte{seal.Version}, seal.Overhead+100) }

// What was recorded reaches its receiver again, and so does what is forged of it, with
// the sender's address.
func TestRecordReplayForge(t *testing.T) {
	l := newLAN(t)
	var recorder *Recorder
	l.within(l.eve, func() (err error) { recorder, err = l.card.Record(port); return err })
	undo := l.sw.Duplicate(rig.Fault{From: l.ports[0], To: l.ports[2]}) // a port that mirrors
	defer undo()
	l.say(sample())
	if got := l.hears(); !bytes.Equal(got, sample()) {
		t.Fatalf("b heard %d octets", len(got))
	}
	l.until("it is recorded", func() bool { return len(recorder.SoFar()) > 0 })
	heard := recorder.Stop().From(l.ports[0].MAC())
	if len(heard) == 0 {
		t.Fatal("nothing was recorded of a")
	}
	if sent := l.card.Send(t.Context(), 1000, heard[:1].Around(2)); sent != 2 {
		t.Errorf("replayed %d", sent)
	}
	for range 2 {
		if got := l.hears(); !bytes.Equal(got, sample()) {
			t.Errorf("the replay is %x", got)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, f := range Forgeries {
		frame, ok := f.Forge(random, heard[0].Octets)
		if !ok {
			t.Fatalf("%s: not forged", f.Name)
		}
		l.card.Send(t.Context(), 0, Repeated(frame, 1))
		if got := l.hears(); bytes.Equal(got, sample()) {
			t.Errorf("%s: b heard what a said", f.Name)
		}
	}
}

func (l *lan) until(what string, is func() bool) {
	l.t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// A host that asks for an address believes the attacker's answers, by ARP and by
// neighbour discovery, and its announcements.
func TestSpoof(t *testing.T) {
	l := newLAN(t)
	ghost := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for _, address := range []string{"192.0.2.77", "2001:db8::77"} {
		addr := netip.MustParseAddr(address)
		var responder *Responder
		l.within(l.eve, func() (err error) { responder, err = l.card.Respond(addr, ghost); return err })
		l.within(l.a, func() error {
			conn, err := net.Dial("udp", netip.AddrPortFrom(addr, 9).String())
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write([]byte("x"))
			return err
		})
		l.until("a knows "+address, func() bool { return l.knows(addr) == ghost.String() })
		l.until("the answer is counted", func() bool { return responder.Answers() > 0 })
		responder.Stop()
		other := net.HardwareAddr{2, 0, 0, 0, 0, 8}
		frame, err := Claim{Kind: Gratuitous, Address: addr, MAC: other}.Frame()
		if err != nil {
			t.Fatal(err)
		}
		l.until("a believes an announcement of "+address, func() bool {
			l.card.Send(t.Context(), 0, Repeated(frame, 1))
			return l.knows(addr) == other.String()
		})
	}
}

// knows is where a's kernel thinks that the address is.
func (l *lan) knows(addr netip.Addr) string {
	family := 2
	if addr.Is6() {
		family = 10
	}
	list, err := l.a.Handle().NeighList(l.ports[0].Index(), family)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, n := range list {
		if at, ok := netip.AddrFromSlice(n.IP); ok && at.Unmap() == addr {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// Claims of all kinds are what other parsers take them for.
func TestClaims(t *testing.T) {
	ghost := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for _, address := range []string{"192.0.2.77", "2001:db8::77"} {
		for _, kind := range []ClaimKind{Answer, Gratuitous, Probe} {
			frame, err := Claim{Kind: kind, Address: netip.MustParseAddr(address), MAC: ghost}.Frame()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, asked := asks(frame, netip.MustParseAddr(address)); asked != (kind == Probe) {
				t.Errorf("%s, kind %d: asks %v", address, kind, asked)
			}
		}
	}
}

func TestCaptureFile(t *testing.T) {
	at := time.Unix(1_700_000_000, 123_000)
	r := Recording{{at, make([]byte, 60)}, {at.Add(time.Second), bytes.Repeat([]byte{7}, 1400)}}
	var file bytes.Buffer
	if err := r.Write(&file); err != nil {
		t.Fatal(err)
	}
	text := bytes.Clone(file.Bytes())
	got, err := Read(&file)
	if err != nil || len(got) != len(r) {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	for i := range r {
		if !got[i].At.Equal(r[i].At) || !bytes.Equal(got[i].Octets, r[i].Octets) {
			t.Errorf("frame %d differs", i)
		}
	}
	for _, bad := range [][]byte{nil, text[:30], text[:len(text)-1], append([]byte{0}, text[1:]...)} {
		if _, err := Read(bytes.NewReader(bad)); err == nil {
			t.Errorf("%d octets of a capture file were read", len(bad))
		}
	}
}

// A pace is kept, and forgeries are the same again.
func TestPaceAndSeed(t *testing.T) {
	l := newLAN(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	frame := rewriteSample(t, "192.0.2.3")
	if sent := l.card.Send(ctx, 100, Repeated(frame, 0)); sent > 31 {
		t.Errorf("sent %d in 200 ms at 100 a second", sent)
	}
	r := Recording{{time.Now(), frame}}
	first, second := take(r, 7), take(r, 7)
	if !slices.EqualFunc(first, second, bytes.Equal) {
		t.Error("the same seed forged differently")
	}
}

func take(r Recording, seed uint64) (list [][]byte) {
	for f := range r.Forged(seed) {
		if list = append(list, f); len(list) == 2*len(Forgeries) {
			break
		}
	}
	return list
}

// rewriteSample is a frame with a sealed datagram to the address.
func rewriteSample(t *testing.T, to string) []byte {
	t.Helper()
	head := ethernet(everyone, net.HardwareAddr{2, 0, 0, 0, 0, 9}, 0x0800)
	ip := append([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0}, 192, 0, 2, 1)
	ip = append(ip, netip.MustParseAddr(to).AsSlice()...)
	frame := append(append(head, ip...), 0x1b, 0x58, 0x1b, 0x58, 0, 8, 0, 0)
	p, ok := parseUDP(frame)
	if !ok {
		t.Fatal("no frame of UDP")
	}
	return rewrite(frame, p, sample())
}

// The command refuses the network of the machine, says what it can't do, and works in
// a host of the laboratory.
func TestCommand(t *testing.T) {
	l := newLAN(t)
	exe, err := program.Path(attacker)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(exe, "answer", "-address", "192.0.2.77").CombinedOutput(); err == nil || !strings.Contains(string(out), "network of the machine") {
		t.Errorf("outside of a host: %v, %s", err, out)
	}
	run := func(args ...string) string {
		var said bytes.Buffer
		proc, err := l.eve.Start(rig.Process{Path: exe, Args: args, Stdout: &said, Stderr: &said})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		proc.Wait(ctx)
		return said.String()
	}
	file := t.TempDir() + "/said.pcap"
	written, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	frame := rewriteSample(t, "192.0.2.2")
	copy(frame, l.ports[1].MAC())
	if err := (Recording{{time.Now(), frame}}).Write(written); err != nil {
		t.Fatal(err)
	}
	written.Close()
	for _, c := range []struct {
		args string
		want string
	}{
		{"record -for 100ms -file " + file + ".none", "recorded 0"},
		{"replay -for 300ms -rate 50 -file " + file, "sent "},
		{"forge -for 300ms -rate 50 -file " + file, "sent "},
		{"claim -for 100ms -rate 50 -kind gratuitous -address 192.0.2.77", "sent "},
		{"answer -for 100ms -address 192.0.2.77 -mac 02:00:00:00:00:09", "answered 0"},
		{"claim -kind loud -address 192.0.2.77", "want answer, gratuitous or probe"},
		{"forge -way none -file " + file, `"a flipped bit"`},
		{"dance", "want record, replay"},
	} {
		if out := run(strings.Fields(c.args)...); !strings.Contains(out, c.want) {
			t.Errorf("%s: %s, want %q", c.args, out, c.want)
		}
	}
	l.hears() // of the replay
}
