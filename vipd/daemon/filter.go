package daemon

import (
	"fmt"

	"golang.org/x/net/bpf"

	"vipd/heartbeat"
	"vipd/seal"
)

// sampleMask lets one of eight datagrams through that the filter would refuse,
// drawn at random: they are counted and their senders named, at little cost.
const sampleMask = 7

// udpHeader is what a socket filter sees before the payload.
const udpHeader = 8

// The sizes that a sealed heartbeat can have on the wire.
const (
	leastDatagram = seal.Overhead
	mostDatagram  = heartbeat.MaxSize + seal.MaxOverhead
)

// heartbeatFilter is the socket filter of the paths: size, version, kind, cluster
// and key id must be those of a heartbeat that this node can open. Of all others,
// those of wire version 1 among them, it lets a sample through. The payload begins behind
// so many octets of what the filter sees.
func heartbeatFilter(ring *seal.Ring, ahead int) []bpf.RawInstruction {
	refuse := []int{} // the jumps to be set to the sample
	program := []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}}
	check := func(cond bpf.JumpTest, value uint32) {
		refuse = append(refuse, len(program))
		program = append(program, bpf.JumpIf{Cond: cond, Val: value})
	}
	load := func(at, size int) {
		program = append(program, bpf.LoadAbsolute{Off: uint32(ahead + at), Size: size})
	}
	check(bpf.JumpGreaterOrEqual, uint32(ahead+leastDatagram))
	check(bpf.JumpLessOrEqual, uint32(ahead+mostDatagram))
	load(seal.AtVersion, 1)
	check(bpf.JumpEqual, seal.Version)
	load(seal.AtKind, 1)
	check(bpf.JumpEqual, uint32(seal.Heartbeat))
	load(seal.AtCluster, 4)
	check(bpf.JumpEqual, seal.ClusterHash(ring.Cluster()))
	load(seal.AtKeyID, 4)
	ids := ring.KeyIDs()
	for i, id := range ids[:len(ids)-1] {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(id), SkipTrue: uint8(len(ids) - 1 - i)})
	}
	check(bpf.JumpEqual, uint32(ids[len(ids)-1]))
	accept := bpf.RetConstant{Val: uint32(ahead + mostDatagram + 1)}
	program = append(program, accept)
	for _, at := range refuse {
		jump := program[at].(bpf.JumpIf)
		jump.SkipFalse = uint8(len(program) - at - 1)
		program[at] = jump
	}
	program = append(program,
		bpf.LoadExtension{Num: bpf.ExtRand},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: sampleMask, SkipTrue: 1},
		accept,
		bpf.RetConstant{Val: 0},
	)
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(fmt.Sprintf("daemon: socket filter: %v", err)) // it depends on nothing but the key ids
	}
	return raw
}

// setFilter has the sockets of all paths, and those opened later, let through what
// can be opened with the ring.
func (d *Daemon) setFilter(ring *seal.Ring) {
	d.setLANFilter(heartbeatFilter(ring, 0))
	filter := heartbeatFilter(ring, udpHeader)
	for _, p := range d.paths {
		if err := p.setFilter(filter); err != nil {
			d.log.Warn("the filter of a path's sockets can't be set", "err", err)
		}
	}
}

// kernelDropped counts the datagrams that the kernel dropped at the paths' sockets,
// refused by the filter or for lack of room. A path that was opened anew begins at 0.
func (d *Daemon) kernelDropped() (sum uint64) {
	for _, p := range d.paths {
		conn := p.conn.Load()
		if conn == nil {
			continue
		}
		for _, socket := range conn.Sockets() {
			if n, err := socket.Dropped(); err == nil {
				sum += uint64(n)
			}
		}
	}
	return sum
}
