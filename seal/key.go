package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// MaxKeys is the number of keys a ring holds at most: the active one, and
// another that is accepted while the nodes change over.
const MaxKeys = 2

// hkdfSalt separates what this package derives from other uses of the same key.
const hkdfSalt = "vipd seal"

// Key is a cluster key: 32 random bytes. It prints as its id, never as its
// bytes; only [Key.Text] gives them away.
type Key [32]byte

// KeyID names a key on the wire and in messages. It is derived one-way from the
// key, 4 bytes of HKDF-SHA256, and so says nothing about it.
type KeyID uint32

// String writes the id as eight hexadecimal digits.
func (id KeyID) String() string { return fmt.Sprintf("%08x", uint32(id)) }

// NewKey draws a key from the kernel's random source.
func NewKey() Key {
	var k Key
	rand.Read(k[:]) // never fails: crypto/rand ends the program instead
	return k
}

// NewSession draws the random number under which one start of a sender seals.
// It is never 0, so that 0 can stand for "no session heard yet".
func NewSession() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:])
		if session := binary.BigEndian.Uint64(b[:]); session != 0 {
			return session
		}
	}
}

// ID returns the key's id.
func (k Key) ID() KeyID { return newRingKey(k).id }

// Text returns the key as a key file holds it: 64 hexadecimal digits and a line
// end.
func (k Key) Text() []byte {
	return append(hex.AppendEncode(nil, k[:]), '\n')
}

// Format keeps the key's bytes out of every print verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "key %s", k.ID()) }

// MarshalText keeps the key's bytes out of logs and JSON.
func (k Key) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%v", k), nil }

// ParseKey reads the text of a key file that holds exactly one key.
func ParseKey(text []byte) (Key, error) {
	keys, err := ParseKeys(text)
	if err != nil {
		return Key{}, err
	}
	if len(keys) > 1 {
		return Key{}, fmt.Errorf("holds %d keys, want one", len(keys))
	}
	return keys[0], nil
}

// ParseKeys reads the text of a key file: one key a line as 64 hexadecimal
// digits, one to [MaxKeys] of them, the active one first. Space around a key,
// empty lines and lines that begin with # are skipped. An error names the line
// and what is wrong with it, never what it holds.
func ParseKeys(text []byte) ([]Key, error) {
	var keys []Key
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if len(keys) == MaxKeys {
			return nil, fmt.Errorf("line %d: more than %d keys", number, MaxKeys)
		}
		key, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key, want a line of 64 hexadecimal digits")
	}
	return keys, nil
}

// parseLine reads one key of 64 hexadecimal digits.
func parseLine(line []byte) (Key, error) {
	var k Key
	if at := bytes.IndexFunc(line, notHex); at >= 0 {
		return k, fmt.Errorf("character %d is no hexadecimal digit", at+1)
	}
	if len(line) != hex.EncodedLen(len(k)) {
		return k, fmt.Errorf("%d hexadecimal digits, want %d", len(line), hex.EncodedLen(len(k)))
	}
	if _, err := hex.Decode(k[:], line); err != nil {
		return Key{}, errors.New("not hexadecimal")
	}
	return k, nil
}

// notHex reports whether r is no hexadecimal digit.
func notHex(r rune) bool {
	switch {
	case '0' <= r && r <= '9', 'a' <= r && r <= 'f', 'A' <= r && r <= 'F':
		return false
	}
	return true
}

// ringKey is a key made ready for deriving: extracted once, expanded often. The
// secret is inside the function, where no print verb and no encoder finds it.
type ringKey struct {
	id     KeyID
	header *headerKey
	expand func(info string, size int) []byte // derives size bytes for info
}

// newRingKey extracts the pseudo-random key of k and derives its id.
func newRingKey(k Key) ringKey {
	pseudo, err := hkdf.Extract(sha256.New, k[:], []byte(hkdfSalt))
	if err != nil {
		panic(err) // only FIPS mode refuses, and only keys under 14 bytes
	}
	expand := func(info string, size int) []byte {
		out, err := hkdf.Expand(sha256.New, pseudo, info, size)
		if err != nil {
			panic(err) // only a size over 255 hashes is refused
		}
		return out
	}
	return ringKey{
		id:     KeyID(binary.BigEndian.Uint32(expand("key id", 4))),
		header: newHeaderKey(expand("header", 32)),
		expand: expand,
	}
}
