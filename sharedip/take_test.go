package sharedip

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTakeAndDrop(t *testing.T) {
	w := newWorld(t, both...)
	for range 2 { // doing it twice is no error
		w.take("vip:front", 1)
	}
	if got := strings.Join(w.addresses(), " "); got != "192.0.2.10/32 2001:db8::10/128" {
		t.Fatalf("after Take the node has %s", got)
	}
	for range 2 {
		w.drop("vip:front")
	}
	if got := w.addresses(); len(got) != 0 {
		t.Fatalf("after Drop the node has %v", got)
	}
}

func TestTakeOfUnknownToken(t *testing.T) {
	w := newWorld(t)
	if err := w.hands.Take("vip:x", 1); err == nil || err.Error() != "take vip:x: no such token" {
		t.Fatalf("got %v", err)
	}
}

// A frame from the node's card, as the client's card gets it.
func TestAnnouncementOnTheWire(t *testing.T) {
	w := newWorld(t, both...)
	arp, na := w.listen(unix.ETH_P_ARP), w.listen(unix.ETH_P_IPV6)
	w.run()
	w.take("vip:front", 1)
	mac := hex.EncodeToString(w.port.MAC())
	for _, form := range []string{"0001", "0002"} {
		want := "ffffffffffff" + mac + "0806" + // to all, from the card, ARP
			"0001" + "0800" + "06" + "04" + form + // Ethernet, IPv4, lengths, request then reply
			mac + "c000020a" + mac + "c000020a" // target hardware address = sender's
		got := w.next(arp, func(f []byte) bool {
			return bytes.Equal(f[6:12], w.port.MAC()) && netip.AddrFrom4([4]byte(f[28:32])) == vip4.Addr()
		})
		if hex.EncodeToString(got[:42]) != want {
			t.Errorf("ARP\n got %x\nwant %s", got, want)
		}
	}
	got := hex.EncodeToString(w.next(na, isNA))
	want := "333300000001" + mac + "86dd" + // to ff02::1, from the card, IPv6
		"60000000" + "0020" + "3a" + "ff" + // 32 bytes, ICMPv6, hop limit 255
		"20010db8000000000000000000000010" + "ff020000000000000000000000000001" +
		"8800" + got[112:116] + "20000000" + // advertisement, checksum (the client's kernel judges it), Override alone
		"20010db8000000000000000000000010" +
		"0201" + mac // target link-layer address
	if got != want {
		t.Errorf("NA\n got %s\nwant %s", got, want)
	}
}
