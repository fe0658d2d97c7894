package ether

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/multicast"
)

// pair makes two interfaces that are one cable, in a network namespace of the test's own.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace and a packet socket need root")
	}
	runtime.LockOSThread() // the thread ends with the test: it is not unlocked
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace: %v", err)
	}
	for _, args := range [][]string{{"link", "add", "ea", "type", "veth", "peer", "name", "eb"}, {"link", "set", "ea", "up"}, {"link", "set", "eb", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	return index(t, "ea"), index(t, "eb")
}

func index(t *testing.T, name string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		t.Fatal(err)
	}
	return int(request.Uint32())
}

// A frame to the group arrives, and its source address leads back by unicast.
func TestGroupAndUnicast(t *testing.T) {
	first, second := pair(t)
	open := func(index int) *Socket {
		s, err := Open(Options{Interface: index, EtherType: 0x88b5, Group: [6]byte{3, 0, 1, 2, 3, 4}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	a, b := open(first), open(second)
	text := slices.Repeat([]byte("sealed "), 12)
	d := read(t, b, func() error { return a.SendGroup(text) })
	if string(d.Data) != string(text) || !d.Multicast {
		t.Errorf("read %q, multicast %v", d.Data, d.Multicast)
	}
	back := b.Source(0)
	if d := read(t, a, func() error { return b.Send(text, back) }); string(d.Data) != string(text) || d.Multicast || d.Stamp.IsZero() {
		t.Errorf("read %q, multicast %v, stamp %v", d.Data, d.Multicast, d.Stamp)
	}
	if a.Gone() || b.Gone() {
		t.Error("an interface is said to be gone")
	}
	if out, err := exec.Command("ip", "link", "del", "ea").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for end := time.Now().Add(10 * time.Second); !a.Gone(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an interface that is gone is not said to be")
		}
	}
}

// read has the text sent until it arrives: a link that has just come up loses some.
func read(t *testing.T, s *Socket, send func() error) multicast.Datagram {
	t.Helper()
	batch := multicast.NewBatch(4, 2000)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err := send(); err != nil && !multicast.Transient(err) {
			t.Fatal(err)
		}
		if n, err := s.Read(batch); n > 0 {
			return batch[0]
		} else if !multicast.Transient(err) {
			t.Fatal(err)
		}
	}
	t.Fatal("no frame came")
	panic("unreachable")
}
