package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// headerKey authenticates headers by AES-CMAC (RFC 4493), cut to 8 octets. It
// shows that a header was made with the cluster key before anything is derived
// for its stream. The payload's own seal covers the header too.
type headerKey struct {
	block    cipher.Block
	complete [aes.BlockSize]byte // K1 of the RFC
	padded   [aes.BlockSize]byte // K2
}

func newHeaderKey(key []byte) *headerKey {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only a wrong key size is refused
	}
	h := &headerKey{block: block}
	var zero [aes.BlockSize]byte
	block.Encrypt(h.complete[:], zero[:])
	double(&h.complete)
	h.padded = h.complete
	double(&h.padded)
	return h
}

// double multiplies by x in GF(2^128), as the RFC makes its subkeys.
func double(b *[aes.BlockSize]byte) {
	carry := b[0] >> 7
	for i := range len(b) - 1 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[len(b)-1] = b[len(b)-1]<<1 ^ carry*0x87
}

// sum leaves the CMAC of the parts, one after the other, in state, which is
// scratch space of a block that the caller owns.
func (h *headerKey) sum(state []byte, parts ...[]byte) {
	clear(state)
	at := 0 // in the block
	for _, part := range parts {
		for len(part) > 0 {
			if at == aes.BlockSize {
				h.block.Encrypt(state, state)
				at = 0
			}
			n := subtle.XORBytes(state[at:], state[at:], part)
			at, part = at+n, part[n:]
		}
	}
	last := &h.complete
	if at < aes.BlockSize {
		state[at] ^= 0x80
		last = &h.padded
	}
	subtle.XORBytes(state, state, last[:])
	h.block.Encrypt(state, state)
}

// sumHeader leaves the CMAC of a header but for its tag in state. What a header without
// additions has is two blocks and a half: forged ones are to cost little.
func (h *headerKey) sumHeader(state, header []byte) {
	if len(header) != HeaderSize {
		h.sum(state, header[:atHeaderTag], header[atHeaderTag+headerTagSize:])
		return
	}
	copy(state, header[:aes.BlockSize])
	h.block.Encrypt(state, state)
	xor(state, header[aes.BlockSize:])
	xor(state[8:], header[aes.BlockSize+8:])
	h.block.Encrypt(state, state)
	xor(state, header[2*aes.BlockSize:])
	state[atHeaderTag-2*aes.BlockSize] ^= 0x80
	xor(state, h.padded[:])
	xor(state[8:], h.padded[8:])
	h.block.Encrypt(state, state)
}

// xor adds the first 8 octets of b to those of a.
func xor(a, b []byte) {
	binary.NativeEndian.PutUint64(a, binary.NativeEndian.Uint64(a)^binary.NativeEndian.Uint64(b))
}

// sign writes the tag of a header into it.
func (h *headerKey) sign(header, scratch []byte) {
	h.sumHeader(scratch, header)
	copy(header[atHeaderTag:], scratch[:headerTagSize])
}

// verify reports whether the header has the tag of the key.
func (h *headerKey) verify(header, scratch []byte) bool {
	h.sumHeader(scratch, header)
	return subtle.ConstantTimeCompare(scratch[:headerTagSize], header[atHeaderTag:atHeaderTag+headerTagSize]) == 1
}
