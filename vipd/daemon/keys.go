package daemon

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"vipd/heartbeat"
	"vipd/seal"
	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/daemon/preflight"
)

// keys are what this node seals and opens with. The ring is the loop's.
type keys struct {
	ring   *seal.Ring
	sealer *seal.Sealer
	ids    atomic.Pointer[[]uint32] // of the ring, as a message has them
}

func newKeys(ring *seal.Ring, stream seal.Stream) *keys {
	k := &keys{ring: ring, sealer: seal.NewSealer(ring, stream)}
	k.use(ring)
	return k
}

// use seals with the ring's active key from now on, and tells the peers of its keys.
func (k *keys) use(ring *seal.Ring) {
	var ids []uint32
	for _, id := range ring.KeyIDs() {
		ids = append(ids, uint32(id))
	}
	k.ring = ring
	k.sealer.Use(ring)
	k.ids.Store(&ids)
}

// told is what the peers are told: the ids of the keys, the active one first.
func (k *keys) told() []uint32 {
	if k == nil {
		return nil
	}
	return *k.ids.Load()
}

// readKeys reads the key file. What is wrong with it is a problem of the
// configuration, where the file is named.
func (d *Daemon) readKeys() (*seal.Ring, error) {
	s := d.cluster().Settings
	list, err := preflight.ReadKeys(d.options.Config, s)
	if err != nil {
		return nil, err
	}
	ring, err := seal.NewRing(s.Cluster, list[0], list[1:]...)
	if err != nil {
		return nil, config.Errors{config.At(d.options.Config, fmt.Sprintf("key file %s: %v", s.KeyFile, err), 0, "key_file")}
	}
	return ring, nil
}

// rereadKeys reads the key file here and returns what takes its keys over on the
// loop's goroutine. A file that can't be taken over changes nothing and is an alarm.
func (d *Daemon) rereadKeys(force bool) func() error {
	if d.keys == nil {
		return func() error { return nil }
	}
	ring, err := d.readKeys()
	return func() error {
		if err == nil && !force {
			err = d.checkRing(ring)
		}
		if err != nil {
			text := fmt.Sprintf("the key file was not taken over: %v", err)
			d.alarms.Set("keys", text)
			d.loop.journal.Add(control.Event{Kind: "alarm", Node: d.cluster().Self.Name, Text: text})
			return err
		}
		d.alarms.Clear("keys")
		d.useRing(ring)
		return nil
	}
}

// checkRing refuses a ring with which this node and one that is heard would not
// understand each other.
func (d *Daemon) checkRing(next *seal.Ring) error {
	ids := next.KeyIDs()
	for _, n := range d.cluster().Settings.Nodes {
		known := d.keysHeard(n.Slot)
		switch {
		case len(known) == 0:
		case !slices.Contains(ids, known[0]):
			return fmt.Errorf("%s seals with key %v, which the file does not have (it has %s); activate another key there first, or put this one back",
				n.Name, known[0], join(ids))
		case !slices.Contains(known, ids[0]):
			return fmt.Errorf("%s does not know key %v, which would be the active one; run there first: vipd key stage FILE", n.Name, ids[0])
		}
	}
	return nil
}

// keysHeard are the keys of a peer that is heard now; none of one that is not.
func (d *Daemon) keysHeard(slot uint8) []seal.KeyID {
	p := d.loop.machine.Beats().Peer(slot)
	if p == nil || p.Session == 0 || p.Silence(d.clocks.Now()) >= d.cluster().Settings.Heartbeat.Dead() {
		return nil
	}
	return d.loop.peerKeys[slot]
}

// noteKeys notes which keys a peer has, from a message of its live session. Keys that
// did not fit the message are those of the one before.
func (l *loop) noteKeys(r heartbeat.Received) {
	p := l.machine.Beats().Peer(r.From)
	known := l.peerKeys[r.From]
	same := func(a seal.KeyID, b uint32) bool { return uint32(a) == b }
	if p == nil || p.Session != r.Session || len(r.Message.Keys) == 0 || slices.EqualFunc(known, r.Message.Keys, same) {
		return
	}
	var list []seal.KeyID
	for _, id := range r.Message.Keys {
		list = append(list, seal.KeyID(id))
	}
	l.peerKeys[r.From] = list
}

// useRing takes the keys over: this node opens with them before it seals with them.
func (d *Daemon) useRing(next *seal.Ring) {
	before, now := d.keys.ring.KeyIDs(), next.KeyIDs()
	if slices.Equal(before, now) {
		return
	}
	d.loop.opener.Use(next)
	d.setFilter(next)
	d.keys.use(next)
	text := fmt.Sprintf("keys taken over: seals with %v", now[0])
	if len(now) > 1 {
		text += fmt.Sprintf(", opens %v too", now[1])
	}
	d.loop.journal.Add(control.Event{Kind: "config", Node: d.cluster().Self.Name, Cause: control.Config, Text: text})
}

// ownKeys are the ids of this node's keys for status, the active one first.
func (d *Daemon) ownKeys() (list []string) {
	if d.keys == nil {
		return nil
	}
	return texts(d.keys.ring.KeyIDs())
}

func texts(ids []seal.KeyID) (list []string) {
	for _, id := range ids {
		list = append(list, id.String())
	}
	return list
}

func join(ids []seal.KeyID) string { return strings.Join(texts(ids), " and ") }
