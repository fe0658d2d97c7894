package seal

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// The examples of RFC 4493 section 4, and of NIST SP 800-38B for 256 bits.
func TestCMAC(t *testing.T) {
	message, _ := hex.DecodeString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	cases := []struct {
		key  string
		size int
		want string
	}{
		{"2b7e151628aed2a6abf7158809cf4f3c", 0, "bb1d6929e95937287fa37d129b756746"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 40, "dfa66747de9ae63030ca32611497c827"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 0, "028962f61b7bf89efc6b551f4667d983"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 40, "aaf3d8f1de5640c232f5b169b9c911e6"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 64, "e1992190549f6ed5696a2c056c315410"},
	}
	for _, c := range cases {
		key, _ := hex.DecodeString(c.key)
		want, _ := hex.DecodeString(c.want)
		h, got := newHeaderKey(key), make([]byte, 16)
		for cut := range c.size + 1 {
			if h.sum(got, message[:cut], message[cut:c.size]); !bytes.Equal(got, want) {
				t.Errorf("%d octets, cut at %d: %x, want %x", c.size, cut, got, want)
			}
		}
	}
}

// What is computed for headers without additions is their CMAC.
func TestHeaderTag(t *testing.T) {
	h, header := newHeaderKey(make([]byte, 32)), make([]byte, HeaderSize+1)
	for i := range header {
		header[i] = byte(7 * i)
	}
	for _, size := range []int{HeaderSize, HeaderSize + 1} {
		got, want := make([]byte, 16), make([]byte, 16)
		h.sumHeader(got, header[:size])
		if h.sum(want, header[:atHeaderTag], header[atHeaderTag+headerTagSize:size]); !bytes.Equal(got, want) {
			t.Errorf("%d octets: %x, want %x", size, got, want)
		}
	}
}
