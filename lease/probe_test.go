package lease

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/testlab/rig"
)

// prober asks the whole LAN for both shared addresses each millisecond: by ARP
// request, ICMP echo, neighbour solicitation and ICMPv6 echo. It notes when the
// kernel took each answer in, and from which hardware address.
type prober struct {
	socket  int
	frames  [][]byte
	ended   chan struct{}
	run     sync.WaitGroup
	mu      sync.Mutex
	since   clock.Instant // older answers belong to an earlier record
	answers []answer
}

type answer struct {
	at   clock.Instant
	mac  [6]byte
	kind kind
}

// kind is what an answer is one to.
type kind int

const (
	none kind = iota
	arpAnswer
	echo4Answer
	neighbourAnswer
	echo6Answer
	kinds
)

func (k kind) String() string {
	return [kinds]string{"nothing", "ARP", "ICMP echo", "neighbour discovery", "ICMPv6 echo"}[k]
}

const mostAnswers = 1 << 22

func startProber(t *testing.T, p *rig.Port) *prober {
	t.Helper()
	b := &prober{ended: make(chan struct{}), frames: questions(p.MAC())}
	err := p.Host().Do(func() (err error) {
		b.socket, err = openProbe(p.Name())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.run.Go(b.ask)
	b.run.Go(b.listen)
	t.Cleanup(b.close)
	return b
}

func openProbe(name string) (int, error) {
	all := int(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL)))
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	if err != nil {
		return -1, err
	}
	card, err := net.InterfaceByName(name)
	if err != nil {
		return -1, err
	}
	wait := unix.NsecToTimeval(int64(50 * time.Millisecond))
	for _, err := range []error{
		unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: card.Index}),
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(socket, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
	} {
		if err != nil {
			return -1, err
		}
	}
	return socket, nil
}

// questions are the four frames of one round. They go to everybody, so that
// every host that has the address answers.
func questions(mac net.HardwareAddr) [][]byte {
	echo4 := []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0} // with its checksum
	datagram := ip4(peer4.Addr(), shared4, 0)
	datagram[9] = unix.IPPROTO_ICMP
	sum := uint32(binary.BigEndian.Uint16(datagram[10:])) + 17 - 1 // the protocol was 17
	binary.BigEndian.PutUint16(datagram[10:], uint16(sum+sum>>16))
	copy(datagram[20:], echo4)
	request := arp(1, peer4.Addr(), shared4)
	copy(request[8:], mac)
	link := append([]byte{1, 1}, mac...) // source link-layer address option
	solicit := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, shared6.AsSlice()...)
	group := netip.MustParseAddr("ff02::1:ff00:10")
	echo6 := []byte{128, 0, 0, 0, 0, 1, 0, 1}
	round := [][]byte{
		frame(typeARP, request),
		frame(typeIP4, datagram),
		frame(typeIP6, icmp6(peer6.Addr(), group, append(solicit, link...))),
		frame(typeIP6, icmp6(peer6.Addr(), shared6, echo6)),
	}
	for _, f := range round {
		copy(f, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		copy(f[6:], mac)
	}
	copy(round[2], net.HardwareAddr{0x33, 0x33, 0xff, 0, 0, 0x10})
	return round
}

// icmp6 is an ICMPv6 message with its checksum (RFC 4443 section 2.3).
func icmp6(from, to netip.Addr, message []byte) []byte {
	sum := uint32(len(message) + protoICMP6)
	for _, part := range [][]byte{from.AsSlice(), to.AsSlice(), message} {
		for i := 0; i+1 < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(message[2:], ^uint16(sum))
	return ip6(from, to, protoICMP6, message)
}

func (b *prober) ask() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-b.ended:
			return
		case <-ticker.C:
		}
		for _, f := range b.frames {
			unix.Write(b.socket, f)
		}
	}
}

func (b *prober) listen() {
	var wall, boot unix.Timespec
	unix.ClockGettime(unix.CLOCK_REALTIME, &wall)
	unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)
	offset := wall.Nano() - boot.Nano()
	buffer, control := make([]byte, 2048), make([]byte, 128)
	for {
		select {
		case <-b.ended:
			return
		default:
		}
		n, c, _, _, err := unix.Recvmsg(b.socket, buffer, control, 0)
		if err != nil || kindOf(buffer[:n]) == none {
			continue
		}
		messages, err := unix.ParseSocketControlMessage(control[:c])
		if err != nil || len(messages) == 0 || len(messages[0].Data) < 16 {
			continue
		}
		stamp := messages[0].Data
		at := int64(binary.NativeEndian.Uint64(stamp))*1e9 + int64(binary.NativeEndian.Uint64(stamp[8:])) - offset
		b.note(answer{clock.Instant(at), [6]byte(buffer[6:12]), kindOf(buffer[:n])})
	}
}

// kindOf says what a frame answers; none if it comes from no shared address.
func kindOf(f []byte) kind {
	at := func(from int, address netip.Addr) bool {
		want := address.AsSlice()
		return len(f) >= etherHeader+from+len(want) && slices.Equal(f[etherHeader+from:][:len(want)], want)
	}
	switch typ := binary.BigEndian.Uint16(f[etherType:]); {
	case typ == typeARP && at(arpSender, shared4):
		return arpAnswer
	case typ == typeIP4 && at(ip4Source, shared4):
		return echo4Answer
	case typ == typeIP6 && at(ndTarget, shared6) && f[etherHeader+ip6Next] == protoICMP6:
		return neighbourAnswer
	case typ == typeIP6 && at(ip6Source, shared6):
		return echo6Answer
	}
	return none
}

func (b *prober) note(a answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.at >= b.since && len(b.answers) < mostAnswers {
		b.answers = append(b.answers, a)
	}
}

// forget begins a new record.
func (b *prober) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since, b.answers = boot.Now(), b.answers[:0]
}

// read says whether all that the kernel has taken in has been read.
func (b *prober) read() bool {
	waiting, err := unix.IoctlGetInt(b.socket, unix.SIOCINQ)
	return err == nil && waiting == 0
}

// span is of the answers of one kind from one port; zero if there are none.
func (b *prober) span(p *rig.Port, of kind) (first, last clock.Instant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.answers {
		if a.mac != [6]byte(p.MAC()) || a.kind != of {
			continue
		}
		if first == 0 {
			first = a.at
		}
		last = max(last, a.at)
	}
	return first, last
}

func (b *prober) close() {
	close(b.ended)
	b.run.Wait()
	unix.Close(b.socket)
}
