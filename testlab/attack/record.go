package attack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Frame is one frame as it was on the wire, with when it arrived.
type Frame struct {
	At     time.Time
	Octets []byte
}

// Recording is what was heard, in the order of arrival.
type Recording []Frame

// maxRecorded bounds a recording: what comes later is not kept.
const maxRecorded = 1 << 20

// Recorder records until Stop.
type Recorder struct {
	stop context.CancelFunc
	run  sync.WaitGroup

	mu    sync.Mutex
	heard Recording
}

// Record begins to record the datagrams to that UDP port that the card sees.
func (c *Card) Record(port uint16) (*Recorder, error) {
	fd, err := c.listener()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Recorder{stop: stop}
	r.run.Go(func() { hear(ctx, fd, func(frame []byte) { r.note(frame, port) }) })
	return r, nil
}

func (r *Recorder) note(frame []byte, port uint16) {
	p, ok := parseUDP(frame)
	if ok && p.port == port {
		// Its card had yet to fill in a checksum: what goes out again needs one.
		r.keep(rewrite(frame, p, p.payload))
	}
}

func (r *Recorder) keep(frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.heard) < maxRecorded {
		r.heard = append(r.heard, Frame{time.Now(), frame})
	}
}

// HeartbeatEther is the EtherType of heartbeats on the clients' network.
const HeartbeatEther = 0x88b5

// RecordFrames begins to record the heartbeats that the card sees in frames of their own.
func (c *Card) RecordFrames() (*Recorder, error) {
	fd, err := c.listener()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Recorder{stop: stop}
	r.run.Go(func() {
		hear(ctx, fd, func(frame []byte) {
			if _, ok := inFrame(frame); ok {
				r.keep(bytes.Clone(frame))
			}
		})
	})
	return r, nil
}

var heartbeatGroup = net.HardwareAddr{0x03, 0x00, 0x76, 0x69, 0x70, 0x64}

// InFrame puts a payload into a frame to the group of the heartbeats.
func InFrame(payload []byte, from net.HardwareAddr) []byte {
	return append(ethernet(heartbeatGroup, from, HeartbeatEther), payload...)
}

// inFrame returns the heartbeat that a frame of that EtherType holds.
func inFrame(frame []byte) (payload []byte, ok bool) {
	if len(frame) < ethernetSize || binary.BigEndian.Uint16(frame[12:]) != HeartbeatEther {
		return nil, false
	}
	return frame[ethernetSize:], true
}

// So far is what was heard until now.
func (r *Recorder) SoFar() Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// Stop ends the recording and returns all of it.
func (r *Recorder) Stop() Recording {
	r.stop()
	r.run.Wait()
	return r.SoFar()
}

// From is the part that came from that hardware address.
func (r Recording) From(mac net.HardwareAddr) (part Recording) {
	for _, f := range r {
		if bytes.Equal(f.Octets[6:12], mac) {
			part = append(part, f)
		}
	}
	return part
}

// Frames yields the recording once, in its order.
func (r Recording) Frames() iter.Seq[[]byte] { return r.Around(1) }

// Around yields the recording so many times, one after the other; 0 is without end.
func (r Recording) Around(times int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for n := 0; len(r) > 0 && (times == 0 || n < times); n++ {
			for _, f := range r {
				if !yield(f.Octets) {
					return
				}
			}
		}
	}
}

// udp is what a frame with a UDP datagram holds.
type udp struct {
	source, destination netip.Addr
	port                uint16 // of the destination
	at                  int    // where the payload begins in the frame
	payload             []byte
}

// Sizes of headers, in octets.
const (
	ethernetSize = 14
	ipv4Size     = 20
	ipv6Size     = 40
	udpSize      = 8
)

// parseUDP reads a frame of IPv4 without options or IPv6 without extension headers.
func parseUDP(frame []byte) (p udp, ok bool) {
	if len(frame) < ethernetSize {
		return udp{}, false
	}
	packet := frame[ethernetSize:]
	size, next := 0, byte(0)
	switch kind := binary.BigEndian.Uint16(frame[12:]); {
	case kind == unix.ETH_P_IP && len(packet) >= ipv4Size && packet[0] == 0x45:
		size, next = ipv4Size, packet[9]
		p.source, p.destination = netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
	case kind == unix.ETH_P_IPV6 && len(packet) >= ipv6Size:
		size, next = ipv6Size, packet[6]
		p.source, p.destination = netip.AddrFrom16([16]byte(packet[8:])), netip.AddrFrom16([16]byte(packet[24:]))
	default:
		return udp{}, false
	}
	if next != unix.IPPROTO_UDP || len(packet) < size+udpSize {
		return udp{}, false
	}
	header := packet[size:]
	length := int(binary.BigEndian.Uint16(header[4:]))
	if length < udpSize || length > len(header) {
		return udp{}, false
	}
	p.port = binary.BigEndian.Uint16(header[2:])
	p.at = ethernetSize + size + udpSize
	p.payload = header[udpSize:length]
	return p, true
}

// Magic numbers of a capture file of the oldest form, as every analyser reads it: with
// microseconds, of Ethernet.
const (
	pcapMagic    = 0xa1b2c3d4
	pcapEthernet = 1
)

// Write writes the recording as a capture file.
func (r Recording) Write(w io.Writer) error {
	head := binary.LittleEndian.AppendUint32(nil, pcapMagic)
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 4)
	head = append(head, make([]byte, 8)...)
	head = binary.LittleEndian.AppendUint32(head, maxFrame)
	head = binary.LittleEndian.AppendUint32(head, pcapEthernet)
	_, err := w.Write(head)
	for _, f := range r {
		if err != nil {
			break
		}
		row := binary.LittleEndian.AppendUint32(nil, uint32(f.At.Unix()))
		row = binary.LittleEndian.AppendUint32(row, uint32(f.At.Nanosecond()/1000))
		row = binary.LittleEndian.AppendUint32(row, uint32(len(f.Octets)))
		row = binary.LittleEndian.AppendUint32(row, uint32(len(f.Octets)))
		_, err = w.Write(append(row, f.Octets...))
	}
	return err
}

// Read reads a capture file that Write wrote.
func Read(from io.Reader) (r Recording, err error) {
	head := make([]byte, 24)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, fmt.Errorf("read the head of a capture file: %w", err)
	}
	if binary.LittleEndian.Uint32(head) != pcapMagic || binary.LittleEndian.Uint32(head[20:]) != pcapEthernet {
		return nil, errors.New("no capture file of Ethernet frames, little-endian, with microseconds")
	}
	for len(r) < maxRecorded {
		row := make([]byte, 16)
		if _, err := io.ReadFull(from, row); errors.Is(err, io.EOF) {
			return r, nil
		} else if err != nil {
			return nil, fmt.Errorf("frame %d: %w", len(r), err)
		}
		size := binary.LittleEndian.Uint32(row[8:])
		if size < ethernetSize || size > maxFrame {
			return nil, fmt.Errorf("frame %d has %d octets, want %d to %d", len(r), size, ethernetSize, maxFrame)
		}
		octets := make([]byte, size)
		if _, err := io.ReadFull(from, octets); err != nil {
			return nil, fmt.Errorf("frame %d: %w", len(r), err)
		}
		at := time.Unix(int64(binary.LittleEndian.Uint32(row)), int64(binary.LittleEndian.Uint32(row[4:]))*1000)
		r = append(r, Frame{at, octets})
	}
	return r, nil
}
