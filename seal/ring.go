package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Ring holds the keys of one cluster: one active, with which a node seals, and
// at most one more that it opens. It never changes; a change of keys is a new
// ring, given to [Sealer.Use] and [Opener.Use].
//
// To change keys without losing a datagram: give every node the new key as the
// accepted one, then every node the new key as the active one, then take the
// old key away.
type Ring struct {
	name    string
	cluster uint32
	keys    []ringKey // the active one first
}

// NewRing makes the ring of the cluster named cluster. It refuses an empty name,
// an empty key, the same key twice, and more than [MaxKeys] keys.
func NewRing(cluster string, active Key, accepted ...Key) (*Ring, error) {
	if cluster == "" {
		return nil, errors.New("make key ring: the cluster has no name")
	}
	if len(accepted) >= MaxKeys {
		return nil, fmt.Errorf("make key ring: %d keys, want at most %d", 1+len(accepted), MaxKeys)
	}
	r := &Ring{name: cluster, cluster: ClusterHash(cluster)}
	for _, key := range append([]Key{active}, accepted...) {
		if key == (Key{}) {
			return nil, errors.New("make key ring: a key is empty")
		}
		ready := newRingKey(key)
		if r.index(ready.id) >= 0 {
			return nil, fmt.Errorf("make key ring: key %s is there twice", ready.id)
		}
		r.keys = append(r.keys, ready)
	}
	return r, nil
}

// ClusterHash is what stands for a cluster's name on the wire: the first 4 bytes
// of its SHA-256. It tells neighbours apart and keeps no secret.
func ClusterHash(name string) uint32 {
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint32(sum[:])
}

// Cluster returns the cluster's name.
func (r *Ring) Cluster() string { return r.name }

// KeyIDs returns the ids of the ring's keys, the active one first.
func (r *Ring) KeyIDs() []KeyID {
	ids := make([]KeyID, len(r.keys))
	for i, key := range r.keys {
		ids[i] = key.id
	}
	return ids
}

// String names the cluster and the keys by their ids.
func (r *Ring) String() string {
	return fmt.Sprintf("ring of cluster %s, keys %v", r.name, r.KeyIDs())
}

// index returns where the key with this id is in the ring, or -1.
func (r *Ring) index(id KeyID) int {
	for i := range r.keys {
		if r.keys[i].id == id {
			return i
		}
	}
	return -1
}

// derive returns the cipher of one stream under one key of the ring. The parts of
// fixed size come first, so no two streams share an info.
func (r *Ring) derive(key int, s Stream) cipher.AEAD {
	info := append(make([]byte, 0, 40+len(r.name)), "datagram"...)
	info = append(info, Version, uint8(s.Kind), s.Sender)
	info = binary.BigEndian.AppendUint64(info, s.Start)
	info = binary.BigEndian.AppendUint64(info, s.Session)
	info = append(info, r.name...)
	block, err := aes.NewCipher(r.keys[key].expand(string(info), 32))
	if err != nil {
		panic(err) // only a wrong key size is refused
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only a block size other than AES's is refused
	}
	return aead
}
